/** What a panel of a type looks like, in a few strokes. */

import type { ReactNode } from 'react';
import type { PanelType } from '../shared/api';

const quiet = 'var(--line-strong)';
const HEAT = [0.2, 0.5, 0.9, 0.6, 0.3, 0.35, 0.8, 0.4, 0.7, 0.25, 0.15, 0.3, 0.55, 1, 0.6];

const DRAWINGS: Partial<Record<PanelType, ReactNode>> = {
  stat: (
    <>
      <text x="5" y="24" fontSize="20" fontWeight="640" fill="var(--text-1)" stroke="none">
        128
      </text>
      <path d="M4 42c10-8 18 2 28-4s18-8 28-2 14-6 22-8" />
    </>
  ),
  timeseries: (
    <>
      <path d="M4 36c10-2 14-22 24-18s14 12 24 4 16-16 30-14" />
      <path d="M4 42c12 0 20-8 30-6s22 2 48-8" stroke="var(--series-2)" />
    </>
  ),
  bars: (
    <>
      <path d="M4 12h78M4 25h78M4 38h78" stroke={quiet} strokeWidth="5" />
      <path d="M4 12h62M4 25h44M4 38h20" strokeWidth="5" />
    </>
  ),
  barlist: <path d="M4 12h78M4 25h48M4 38h28" strokeWidth="6" />,
  table: <path d="M4 8h78M4 19h78M4 30h78M4 41h78M30 8v33M58 8v33" stroke={quiet} strokeWidth="1.4" />,
  gauge: (
    <>
      <path d="M16 42a28 28 0 1 1 54 0" stroke={quiet} strokeWidth="6" />
      <path d="M16 42a28 28 0 0 1 40-34" strokeWidth="6" />
    </>
  ),
  percentage: (
    <>
      <path d="M4 16h78M4 34h78" stroke={quiet} strokeWidth="7" />
      <path d="M43 16h22" stroke="var(--up)" strokeWidth="7" />
      <path d="M43 34H24" stroke="var(--down)" strokeWidth="7" />
    </>
  ),
  heatmap: (
    <g stroke="none" fill="var(--series-1)">
      {HEAT.map((opacity, index) => (
        <rect
          // biome-ignore lint/suspicious/noArrayIndexKey: a drawing whose parts never move
          key={index}
          x={4 + (index % 5) * 16}
          y={4 + Math.floor(index / 5) * 14}
          width="14"
          height="12"
          opacity={opacity}
        />
      ))}
    </g>
  ),
  statetimeline: (
    <g strokeWidth="9" strokeLinecap="butt">
      <path d="M4 14h40M54 34h28" stroke="var(--ok)" />
      <path d="M46 14h18" stroke="var(--warning)" />
      <path d="M66 14h16M4 34h20" stroke="var(--critical)" />
      <path d="M26 34h26" stroke={quiet} />
    </g>
  ),
  candles: (
    <g strokeLinecap="butt">
      <path d="M12 8v32M44 14v30M76 4v26" strokeWidth="1.4" stroke="var(--up)" />
      <path d="M12 16v16M44 22v14M76 10v14" strokeWidth="8" stroke="var(--up)" />
      <path d="M28 6v30M60 12v24" strokeWidth="1.4" stroke="var(--down)" />
      <path d="M28 12v14M60 18v12" strokeWidth="8" stroke="var(--down)" />
    </g>
  ),
  alerts: (
    <>
      <path d="M16 10h62M16 24h44M16 38h54" stroke={quiet} strokeWidth="3" />
      <circle cx="6" cy="10" r="3" fill="var(--critical)" stroke="none" />
      <circle cx="6" cy="24" r="3" fill="var(--warning)" stroke="none" />
      <circle cx="6" cy="38" r="3" fill="var(--series-1)" stroke="none" />
    </>
  ),
  text: <path d="M4 10h44M4 21h70M4 32h58" stroke={quiet} strokeWidth="3" />,
};

export function TypePicture({ type }: { readonly type: PanelType }) {
  return (
    <svg
      viewBox="0 0 86 48"
      width="86"
      height="48"
      fill="none"
      stroke="var(--series-1)"
      strokeWidth="2"
      strokeLinecap="round"
      aria-hidden="true"
    >
      {DRAWINGS[type]}
    </svg>
  );
}
