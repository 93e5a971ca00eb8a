/**
 * The data of a `FakeServer`: channels, a log of steps, and what a reader at some position has to be told.
 *
 * Small and exact: a delta is what the log says, merged by row; a cursor of another epoch or another set of channels
 * leads to a reset with a snapshot.
 */

import type { Cell, Change, Column, Frame, KeyedDelta, ResetReason, ViewState } from '../protocol.js';

export type FakeRow = { readonly [column: string]: Cell };

interface KeyedData {
  readonly kind: 'keyed';
  readonly columns: readonly Column[];
  readonly rows: Map<string, FakeRow>;
}

interface TailData {
  readonly kind: 'tail';
  readonly columns: readonly Column[];
  readonly rows: { readonly step: number; readonly cells: readonly Cell[] }[];
}

/** What one step did to one channel. */
interface Edit {
  readonly step: number;
  readonly channel: string;
  readonly key: string;
  /** The changed columns, all of them for a new row; null if the row went. */
  readonly fields: FakeRow | null;
}

const LIVE: ViewState = { status: 'live', mode: 'maintained' };
/** How many of the newest items a fresh join gets that does not say it, as from the server. */
const DEFAULT_LAST = 0;
const ALERTS_LAST = 100;

function defaultLast(channel: string): number {
  return channel === 'alerts' ? ALERTS_LAST : DEFAULT_LAST;
}

export class FakeData {
  /** Another epoch is another log: every cursor is void. */
  epoch = 1;
  #step = 0;
  #offset = 0;
  readonly #now_ms: () => number;
  readonly #channels = new Map<string, KeyedData | TailData>();
  readonly #edits: Edit[] = [];

  constructor(now_ms: () => number) {
    this.#now_ms = now_ms;
  }

  get step(): number {
    return this.#step;
  }

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  view(channel: string, columns: readonly Column[]): void {
    this.#channels.set(channel, { kind: 'keyed', columns, rows: new Map() });
  }

  stream(channel: string, columns: readonly Column[]): void {
    const offset: Column = { name: '_offset', type: 'int' };
    this.#channels.set(channel, { kind: 'tail', columns: [...columns, offset], rows: [] });
  }

  set(channel: string, key: string, fields: FakeRow): void {
    const { rows } = this.#keyed(channel);
    this.#step += 1;
    rows.set(key, { ...rows.get(key), ...fields });
    this.#edits.push({ step: this.#step, channel, key, fields: { ...fields } });
  }

  remove(channel: string, key: string): void {
    this.#step += 1;
    this.#keyed(channel).rows.delete(key);
    this.#edits.push({ step: this.#step, channel, key, fields: null });
  }

  append(channel: string, cells: readonly Cell[]): void {
    const data = this.#channels.get(channel);
    if (data?.kind !== 'tail') {
      throw new Error(`${channel} is no stream of this server`);
    }
    this.#step += 1;
    this.#offset += 1;
    data.rows.push({ step: this.#step, cells: [...cells, this.#offset] });
  }

  cursor(channels: readonly string[]): string {
    return `${this.epoch}.${this.#step}~${[...channels].sort().join(' ')}`;
  }

  /** The first frame for a reader that holds what `since` says; null holds nothing. */
  first(sub: number, channels: readonly string[], since: string | null, last: number | null = null): Frame {
    const [at = '', set] = (since ?? '').split('~');
    const [epoch, step] = at.split('.').map(Number);
    const reset: ResetReason | null =
      since === null
        ? null
        : epoch !== this.epoch
          ? 'restart'
          : set !== this.cursor(channels).split('~')[1]
            ? 'changed'
            : null;
    if (since !== null && reset === null) {
      return this.#frame(sub, channels, this.#deltas(channels, step ?? 0), true);
    }
    const changes = channels.map((channel) =>
      this.#snapshot(channel, reset, reset === null ? (last ?? defaultLast(channel)) : 0),
    );
    return this.#frame(sub, channels, changes, false);
  }

  /** What changed since a step; null if nothing did. */
  next(sub: number, channels: readonly string[], step: number): Frame | null {
    const changes = this.#deltas(channels, step);
    return changes.length === 0 ? null : this.#frame(sub, channels, changes, null);
  }

  #frame(sub: number, channels: readonly string[], changes: readonly Change[], resumed: boolean | null): Frame {
    const time = this.#now_ms() * 1_000;
    const cursor = this.cursor(channels);
    const position = `${this.epoch}:${this.#step}:${time}`;
    const newest = changes.length > 0 ? time : null;
    const frame: Frame = { type: 'frame', sub, cursor, position, time, newest, changes };
    return resumed === null ? frame : { ...frame, resumed };
  }

  #snapshot(channel: string, reset: ResetReason | null, last: number): Change {
    const data = this.#channels.get(channel);
    const why = reset === null ? {} : { reset };
    if (data?.kind === 'tail') {
      const rows = last === 0 ? [] : data.rows.slice(-last).map(({ cells }) => cells);
      return { channel, snapshot: { columns: data.columns, rows }, ...why };
    }
    const { columns, rows } = this.#keyed(channel);
    const cells = [...rows.values()].map((row) => columns.map(({ name }) => row[name] ?? null));
    return { channel, snapshot: { columns, keys: [...rows.keys()], rows: cells }, state: LIVE, ...why };
  }

  #deltas(channels: readonly string[], step: number): Change[] {
    // Steps rise, so what is newer stands at the end.
    const newer = this.#edits.slice(this.#edits.findLastIndex((edit) => edit.step <= step) + 1);
    return channels.flatMap((channel): Change[] => {
      const data = this.#channels.get(channel);
      if (data?.kind === 'tail') {
        const append = data.rows.filter((row) => row.step > step).map(({ cells }) => cells);
        return append.length === 0 ? [] : [{ channel, delta: { append } }];
      }
      const edits = newer.filter((edit) => edit.channel === channel);
      return edits.length === 0 ? [] : [{ channel, delta: merge(edits) }];
    });
  }

  #keyed(channel: string): KeyedData {
    const data = this.#channels.get(channel);
    if (data?.kind !== 'keyed') {
      throw new Error(`${channel} is no view of this server`);
    }
    return data;
  }
}

function merge(edits: readonly Edit[]): KeyedDelta {
  const set = new Map<string, FakeRow>();
  const del = new Set<string>();
  for (const { key, fields } of edits) {
    if (fields === null) {
      set.delete(key);
      del.add(key);
    } else {
      set.set(key, { ...set.get(key), ...fields });
    }
  }
  return { set: Object.fromEntries(set), del: [...del] };
}
