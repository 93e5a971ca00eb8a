/** What draws inside a panel's frame, by type; and what it is given. Rare and heavy ones are loaded when a board has them. */

import type { NowSource } from '@pulseboard/react/charts';
import type { ComponentType } from 'react';
import type { Panel } from '../shared/api';
import { later } from '../shared/later';
import type { PanelSource } from './source';
import { StatPanel } from './statPanel';
import { TablePanel } from './tablePanel';
import { TimeseriesPanel } from './timeseriesPanel';

/** The span of time that charts show: it ends where the clock says. */
export interface PanelSpan {
  readonly clock: NowSource;
  readonly range_ms: number;
  /** Where it begins, if that does not move. */
  readonly from_ms: number | null;
  /** Called with a span that was dragged over, and on a double click. */
  readonly onZoom?: (from_ms: number, to_ms: number) => void;
  readonly onReset?: () => void;
}

export interface PanelBodyProps {
  readonly panel: Panel;
  readonly source: PanelSource;
  readonly zone: string | undefined;
  readonly span: PanelSpan;
  /** Where a legend may be written; null until it is there. */
  readonly legend: HTMLElement | null;
  /** Whether legends say more than the last values. */
  readonly legends: 'short' | 'full';
  /** What another panel of the board draws from, for sparklines. One function for as long as the board lives. */
  readonly related: (panel: string) => PanelSource | null;
}

const rich = (name: keyof typeof import('./richPanels')) => later(async () => (await import('./richPanels'))[name]);

export const BODIES: { readonly [type: string]: ComponentType<PanelBodyProps> | undefined } = {
  stat: StatPanel,
  timeseries: TimeseriesPanel,
  table: TablePanel,
  bars: rich('BarsPanel'),
  text: rich('TextPanel'),
  gauge: rich('GaugePanel'),
  percentage: rich('PercentagePanel'),
  barlist: rich('BarListPanel'),
  heatmap: rich('HeatmapPanel'),
  statetimeline: rich('StateTimelinePanel'),
  candles: rich('CandlesPanel'),
  alerts: rich('AlertsPanel'),
};
