/**
 * The grid that panels lie on: twelve columns on a desk, fewer on less. Knows places, not what a panel shows.
 *
 * An editor hands it `handles`: where a panel is meanwhile, and what lies over it to grip. On its own it only shows.
 */

import { type CSSProperties, type ReactNode, useMemo } from 'react';
import type { Panel as PanelInfo } from '../shared/api';

export interface GridPlace {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface GridHandles {
  /** Where a panel is now, while it is moved or resized; its own place unless said. */
  readonly place?: (panel: PanelInfo) => GridPlace;
  /** What lies over a panel: grips, a frame for the keyboard. */
  readonly over?: (panel: PanelInfo) => ReactNode;
  /** The grid's element, to measure columns and rows by. */
  readonly onGrid?: (element: HTMLDivElement | null) => void;
  /** Which panel is being worked on. */
  readonly selected?: string | null;
}

interface PanelGridProps {
  readonly panels: readonly PanelInfo[];
  /** Whether the link is down: the whole board stays, a little dimmed. */
  readonly offline?: boolean;
  readonly handles?: GridHandles;
  readonly children: (panel: PanelInfo) => ReactNode;
}

/** From this many of twelve columns on, a panel keeps the whole width when the page gets narrow. */
const WIDE = 7;

export function PanelGrid({ panels, offline = false, handles, children }: PanelGridProps) {
  const ordered = useMemo(() => inReadingOrder(panels), [panels]);
  const rows = Math.max(1, ...panels.map(({ y, h }) => y + h));
  return (
    <div
      ref={handles?.onGrid}
      className="board"
      data-offline={offline}
      data-editing={handles !== undefined}
      style={{ '--rows': rows } as CSSProperties}
    >
      {ordered.map((panel) => {
        const { x, y, w, h } = handles?.place?.(panel) ?? panel;
        const place = { '--x': x + 1, '--y': y + 1, '--w': w, '--h': h } as CSSProperties;
        return (
          <div
            key={panel.id}
            className="slot"
            data-panel={panel.id}
            data-type={panel.type}
            data-wide={w >= WIDE}
            data-selected={handles?.selected === panel.id}
            style={place}
          >
            {children(panel)}
            {handles?.over?.(panel)}
          </div>
        );
      })}
    </div>
  );
}

/** On a phone panels stand one below the other, in the order in which a reader meets them on the wide board. */
function inReadingOrder(panels: readonly PanelInfo[]): PanelInfo[] {
  return [...panels].sort((a, b) => a.y - b.y || a.x - b.x);
}
