'use client';
/** The names of a chart's lines with their figures; pointing, clicking and keys choose which of them are shown. */

import type { CSSProperties } from 'react';
import { UNKNOWN, unitText } from '../format/format.js';
import { useLocale } from '../shared/context.js';
import { classes } from '../shared/honest.js';
import { colourOf } from './sparkline.js';

export interface LegendEntry {
  readonly name: string;
  readonly label?: string | undefined;
  /** Which colour of the series, from 1; or any CSS colour. Default by its place. */
  readonly color?: number | string | undefined;
  readonly isDashed?: boolean | undefined;
  readonly last?: number | null | undefined;
  readonly min?: number | null | undefined;
  readonly max?: number | null | undefined;
  readonly avg?: number | null | undefined;
}

export type LegendFigure = 'last' | 'min' | 'max' | 'avg';

export interface ChartLegendProps {
  readonly entries: readonly LegendEntry[];
  /** Which figures stand beside the names. Default `last`. */
  readonly figures?: readonly LegendFigure[] | undefined;
  readonly unit?: string | undefined;
  readonly decimals?: number | undefined;
  readonly format?: ((value: number) => string) | undefined;
  /** The names that are hidden. */
  readonly hidden?: ReadonlySet<string> | undefined;
  /** Asked to show or hide one; `alone` when the others should go (a plain click), not when it is one more (with shift or ctrl). */
  readonly onToggle?: ((name: string, alone: boolean) => void) | undefined;
  /** `row` (default), or `table` with a head for several figures. */
  readonly layout?: 'row' | 'table' | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

/** What is worth knowing of a line, without what is unknown. */
export function seriesFigures(values: readonly (number | null | undefined)[]): Record<LegendFigure, number | null> {
  const known = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value));
  if (known.length === 0) {
    return { last: null, min: null, max: null, avg: null };
  }
  return {
    last: known.at(-1) ?? null,
    min: known.reduce((low, value) => Math.min(low, value)),
    max: known.reduce((high, value) => Math.max(high, value)),
    avg: known.reduce((sum, value) => sum + value, 0) / known.length,
  };
}

export function ChartLegend(props: ChartLegendProps) {
  const { entries, figures = ['last'], layout = 'row', className, style } = props;
  if (layout === 'row') {
    return (
      <ul className={classes('pb-legend', className)} style={style}>
        {entries.map((entry, index) => (
          <li key={entry.name} data-hidden={props.hidden?.has(entry.name) === true}>
            <Name {...props} entry={entry} index={index} />
            {figures.map((figure) => (
              <span key={figure} className="pb-legend-figure">
                {figures.length > 1 ? <span className="pb-legend-kind">{figure}</span> : null}
                <Figure {...props} value={entry[figure]} />
              </span>
            ))}
          </li>
        ))}
      </ul>
    );
  }
  return (
    <table className={classes('pb-legend-table', className)} style={style}>
      <thead>
        <tr>
          <th scope="col">
            <span className="pb-sr">series</span>
          </th>
          {figures.map((figure) => (
            <th key={figure} scope="col">
              {figure}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {entries.map((entry, index) => (
          <tr key={entry.name} data-hidden={props.hidden?.has(entry.name) === true}>
            <th scope="row">
              <Name {...props} entry={entry} index={index} />
            </th>
            {figures.map((figure) => (
              <td key={figure}>
                <Figure {...props} value={entry[figure]} />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Name({
  entry,
  index,
  hidden,
  onToggle,
}: ChartLegendProps & { readonly entry: LegendEntry; readonly index: number }) {
  const body = (
    <>
      <i style={{ color: colourOf(entry.color ?? index + 1) }} data-dashed={entry.isDashed === true} />
      <span>{entry.label ?? entry.name}</span>
    </>
  );
  if (onToggle === undefined) {
    return <span className="pb-legend-name">{body}</span>;
  }
  return (
    <button
      type="button"
      className="pb-legend-name"
      aria-pressed={hidden?.has(entry.name) !== true}
      onClick={(event) => onToggle(entry.name, !(event.shiftKey || event.ctrlKey || event.metaKey))}
    >
      {body}
    </button>
  );
}

function Figure({
  value,
  unit = '',
  decimals,
  format,
}: ChartLegendProps & { readonly value: number | null | undefined }) {
  const locale = useLocale();
  const isKnown = value !== null && value !== undefined && Number.isFinite(value);
  const text = !isKnown ? UNKNOWN : format ? format(value) : unitText(value, unit, decimals, undefined, locale);
  return <b className={isKnown ? 'pb-value' : 'pb-value pb-unknown'}>{text}</b>;
}
