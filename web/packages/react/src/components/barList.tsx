'use client';
/** The first few of a list by size, as bars. The order is kept while the pointer is over it; what is left out is counted. */

import { type CSSProperties, useRef } from 'react';
import { formatUnit, UNKNOWN } from '../format/format.js';
import { LEVEL_WORD, levelOf, type Thresholds } from '../format/level.js';
import { useLocale } from '../shared/context.js';
import { useHeldOrder } from '../shared/heldOrder.js';
import { classes, HonestBody, type LiveProps, NoticeMark, useNotice } from '../shared/honest.js';
import { useQuick } from '../shared/useQuick.js';
import { colourOf } from './sparkline.js';

export interface BarListItem {
  /** What tells it from the others. Default the label. */
  readonly key?: string | undefined;
  readonly label: string;
  readonly value: number | null | undefined;
  /** A quiet line under the bar. */
  readonly detail?: string | undefined;
}

export interface BarListProps extends LiveProps {
  /** Null while nothing is known; an empty list is an answer. */
  readonly items: readonly BarListItem[] | null | undefined;
  readonly title?: string | undefined;
  /** How many are shown. Default 10. */
  readonly limit?: number | undefined;
  /** What a full bar stands for. Default the largest value. */
  readonly max?: number | undefined;
  /** `value` (largest first, default), or `none` to keep the order given. */
  readonly sort?: 'value' | 'none' | undefined;
  readonly unit?: string | undefined;
  readonly decimals?: number | undefined;
  readonly format?: ((value: number) => string) | undefined;
  readonly thresholds?: Thresholds | null | undefined;
  readonly color?: number | string | undefined;
  readonly onSelect?: ((item: BarListItem) => void) | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

const DEFAULT_LIMIT = 10;

const keyOf = (item: BarListItem) => item.key ?? item.label;

export function BarList(props: BarListProps) {
  const { items, title, limit = DEFAULT_LIMIT, sort = 'value', className, style } = props;
  const hasData = items !== null && items !== undefined && items.length > 0;
  const notice = useNotice(props, hasData);
  const sorted = sort === 'none' ? [...(items ?? [])] : [...(items ?? [])].sort((a, b) => size(b) - size(a));
  const byKey = new Map(sorted.map((item) => [keyOf(item), item]));
  const { order, handlers } = useHeldOrder([...byKey.keys()].slice(0, limit));
  const shown = order.flatMap((key) => byKey.get(key) ?? []);
  const top = props.max ?? Math.max(0, ...sorted.map((item) => item.value ?? 0));
  const more = byKey.size - shown.length;
  const empty = items === null || items === undefined ? 'no data yet' : 'nothing here right now';
  return (
    <section className={classes('pb-barlist', className)} style={style} aria-label={title}>
      {title === undefined && notice === null ? null : (
        <header className="pb-head">
          <h3 className="pb-title">{title}</h3>
          <NoticeMark notice={notice} />
        </header>
      )}
      <HonestBody live={props} notice={notice} hasData={hasData} empty={empty} scrolls>
        <ul className="pb-bars" {...handlers}>
          {shown.map((item, place) => (
            // What can be chosen keeps the focus where it goes; the rest is written anew in its place, which the page need not be put together again for.
            <Bar key={props.onSelect === undefined ? place : keyOf(item)} item={item} top={top} list={props} />
          ))}
        </ul>
        {more > 0 ? <p className="pb-more">{more} more</p> : null}
      </HonestBody>
    </section>
  );
}

function size(item: BarListItem): number {
  return item.value ?? Number.NEGATIVE_INFINITY;
}

function Bar({ item, top, list }: { readonly item: BarListItem; readonly top: number; readonly list: BarListProps }) {
  const { unit = '', decimals, format, thresholds, color = 1, onSelect } = list;
  const locale = useLocale();
  const value = item.value ?? null;
  const level = levelOf(value, thresholds);
  const written =
    value !== null && format ? format(value) : joined(formatUnit(value, unit, decimals, undefined, locale));
  const part = value === null || top <= 0 ? 0 : Math.min(1, Math.max(0, value / top));
  const fill = level === null ? colourOf(color) : `var(--pb-${level})`;
  const bar = useRef<HTMLElement>(null);
  useQuick(bar, part);
  const body = (
    <>
      <span className="pb-bar-label" title={item.label}>
        {item.label}
      </span>
      <b className={value === null ? 'pb-value pb-unknown' : 'pb-value'} data-level={level ?? undefined}>
        {value === null ? UNKNOWN : written}
        {level === 'warning' || level === 'critical' ? <span className="pb-sr"> {LEVEL_WORD[level]}</span> : null}
      </b>
      <span className="pb-bar-track" data-known={value !== null}>
        <i ref={bar} className="pb-bar-fill" style={{ width: `${100 * part}%`, background: fill }} />
      </span>
      {item.detail === undefined ? null : <span className="pb-bar-detail">{item.detail}</span>}
    </>
  );
  return (
    <li>
      {onSelect === undefined ? (
        <div className="pb-bar">{body}</div>
      ) : (
        <button type="button" className="pb-bar" onClick={() => onSelect(item)}>
          {body}
        </button>
      )}
    </li>
  );
}

function joined({ text, unit }: { readonly text: string; readonly unit: string }): string {
  return unit === '' ? text : `${text} ${unit}`;
}
