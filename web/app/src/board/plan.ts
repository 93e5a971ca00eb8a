/**
 * What a panel follows and asks for, given the span, the zone and the variables that are chosen. Pure; nothing is asked here.
 *
 * A panel whose query takes `$from`, `$to` or `$bucket` follows the span; any other has a span of its own. A span that ends in the
 * past is asked for once: of the first kind the series, of the second what its query said at the end of the span.
 */

import type { RangeRequest } from '@pulseboard/client';
import type { Board, Panel } from '../shared/api';
import { bucketFor, type Span, type TimeRange, toServer } from '../time';
import { parseSpan } from './notice';

export type Ask =
  | { readonly kind: 'range'; readonly request: RangeRequest }
  | {
      readonly kind: 'at';
      readonly view: string;
      readonly params: Params;
      readonly at: string;
      readonly timezone: string | null;
    };

export interface PanelPlan {
  /** The channel it follows; null if it shows the past only. */
  readonly channel: string | null;
  /** What is asked once: the past before live has it, or the past alone. */
  readonly ask: Ask | null;
  /** How much time its charts show. */
  readonly range_ms: number;
  /** Where they begin, if that does not move. */
  readonly from_ms: number | null;
  /** Where they end, if that does not move. */
  readonly to_ms: number | null;
  /** Whether it shows the span that is chosen, and not one of its own. */
  readonly follows: boolean;
}

export type Params = { readonly [name: string]: string };

export interface Chosen {
  readonly range: TimeRange | null;
  readonly span: Span | null;
  /** The zone chosen; null for the views' own. */
  readonly zone: string | null;
  readonly variables: Params;
  /** The SQL of named views, for panels that show one. */
  readonly viewSql: ReadonlyMap<string, string>;
}

/** What a time series shows that says nothing else, and the window the server gives a query with `$from` by itself. */
const OWN_RANGE_MS = 300_000;
const SERVER_RANGE_MS = 3_600_000;

/** The parameters that a span fills in. */
const SPAN: readonly string[] = ['from', 'to', 'bucket'];

/** The SQL behind a panel, if it is known. */
export function panelSql(panel: Panel, viewSql: ReadonlyMap<string, string>): string | null {
  return panel.sql ?? viewSql.get(panel.view ?? '') ?? null;
}

export function takesSpan(sql: string | null): boolean {
  return /\$(from|to|bucket)\b/.test(sql ?? '');
}

/** How many points fit a panel of this width: more would not be seen. */
function pointsOf({ w }: Panel): number {
  return w >= 8 ? 480 : w >= 4 ? 300 : 150;
}

/** What all panels of a board follow and ask for, by panel. */
export function planBoard(board: Board, chosen: Chosen): ReadonlyMap<string, PanelPlan | null> {
  return new Map(board.panels.map((panel) => [panel.id, planPanel(panel, chosen)]));
}

export function channelsOf(plans: ReadonlyMap<string, PanelPlan | null>): readonly string[] {
  const all = [...plans.values()].flatMap((plan) => plan?.channel ?? []);
  return [...new Set(all)];
}

export function planPanel(panel: Panel, chosen: Chosen): PanelPlan | null {
  if (panel.type === 'text') {
    return null;
  }
  const sql = panelSql(panel, chosen.viewSql);
  const { view, params: own } = parseChannel(panel.channel);
  const takes = (name: string) => panel.takes?.includes(name) ?? mentions(sql, name);
  const taken = Object.entries(chosen.variables).filter(([name]) => name in own || takes(name));
  const params = { ...own, ...Object.fromEntries(taken) };
  const follows = panel.takes?.some((name) => SPAN.includes(name)) ?? takesSpan(sql);
  const ownRange_ms = parseSpan(panel.options?.range);
  const { range, span, zone } = chosen;
  if (range === null || span === null) {
    const moving = follows && ownRange_ms !== null;
    const spanParams = moving
      ? { from: `-${Math.round(ownRange_ms / 1_000)}s`, ...cut(sql, params, ownRange_ms, pointsOf(panel)) }
      : {};
    return {
      channel: channelName(view, { ...params, ...spanParams }),
      ask: null,
      range_ms: ownRange_ms ?? (follows ? SERVER_RANGE_MS : OWN_RANGE_MS),
      from_ms: null,
      to_ms: null,
      follows,
    };
  }
  if (!follows) {
    const at = new Date(span.to_ms).toISOString();
    return {
      channel: span.live ? channelName(view, params) : null,
      ask: span.live ? null : { kind: 'at', view, params, at, timezone: zone },
      range_ms: ownRange_ms ?? OWN_RANGE_MS,
      from_ms: null,
      to_ms: span.live ? null : span.to_ms,
      follows,
    };
  }
  const length_ms = span.to_ms - span.from_ms;
  const points = pointsOf(panel);
  const width = cut(sql, params, length_ms, points);
  const { from, to } = toServer(range, span);
  const request: RangeRequest = {
    view,
    params: { ...params, ...width },
    from,
    ...(to === null ? {} : { to }),
    points: points + 2,
    ...(zone === null ? {} : { timezone: zone }),
  };
  return {
    channel: span.live ? channelName(view, { ...params, from, ...width }) : null,
    ask: { kind: 'range', request },
    range_ms: length_ms,
    from_ms: span.live && from.startsWith('-') ? null : span.from_ms,
    to_ms: span.live ? null : span.to_ms,
    follows,
  };
}

/**
 * How wide the query's pieces of time are: as wide as the span needs. Where the reader chose a width, in a variable that the query cuts
 * time by, that one holds until there would be more pieces than the panel has room for.
 */
function cut(sql: string | null, params: Params, length_ms: number, points: number): Params {
  const name = /\b(?:time_bucket|date_bin)\(\s*\$(\w+)/.exec(sql ?? '')?.[1];
  const { width_ms, text } = bucketFor(length_ms, points);
  if (name === undefined || name === 'bucket' || params[name] === undefined) {
    return { bucket: text };
  }
  const [, count = '', unit = ''] = /^(\d+) (second|minute|hour|day)s?$/.exec(params[name]) ?? [];
  const chosen_ms = Number(count) * ({ second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }[unit] ?? 0);
  return chosen_ms >= width_ms || chosen_ms === 0 ? {} : { [name]: text };
}

function mentions(sql: string | null, name: string): boolean {
  return sql !== null && new RegExp(`\\$${name.replace(/\W/g, '\\$&')}\\b`).test(sql);
}

/** `view:NAME?a=b` in its parts. */
export function parseChannel(channel: string): { readonly view: string; readonly params: Params } {
  const [name = '', query = ''] = channel.replace(/^view:/, '').split('?', 2);
  const pairs = query.split('&').filter(Boolean);
  const params = pairs.map((pair) => {
    const [key = '', value = ''] = pair.split('=', 2);
    return [decodeURIComponent(key), decodeURIComponent(value)];
  });
  return { view: decodeURIComponent(name), params: Object.fromEntries(params) };
}

/** The canonical name, as the protocol has it: parameters sorted, everything but unreserved characters encoded. */
export function channelName(view: string, params: Params): string {
  const encode = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
  const names = Object.keys(params).sort();
  const query = names.map((name) => `${encode(name)}=${encode(params[name] ?? '')}`).join('&');
  return `view:${view}${query === '' ? '' : `?${query}`}`;
}

/** The variables as they hold: what the link says where it is allowed, else the board's own. */
export function variablesOf(board: Board, chosen: Params): Params {
  const values = (board.variables ?? []).flatMap(({ name, default: own, options }) => {
    const asked = chosen[name];
    const allowed = asked !== undefined && (options.length === 0 || options.includes(asked));
    const value = allowed ? asked : own;
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(values);
}
