/** Made-up rows for the design page: the same each time, so that its pictures can be compared. */

import type { Cell, Column } from '@pulseboard/client';
import { AskedSource, type PanelSource } from '../board';

/** The instant that everything on the page is at. */
export const AT_MS = Date.UTC(2026, 10, 18, 20, 4, 33, 218);

export const CLOCK = { now_ms: () => AT_MS };

/** A generator of numbers from 0 to 1, the same for the same seed. */
export function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

/** A wandering line around `level`. */
export function walk(seed: number, count: number, level: number, step: number): number[] {
  const next = randoms(seed);
  let value = level;
  return Array.from({ length: count }, () => {
    value += (next() - 0.5) * step + (level - value) * 0.06;
    return value;
  });
}

export function source(columns: readonly Column[], rows: readonly (readonly Cell[])[]): PanelSource {
  const made = new AskedSource();
  made.answer({ columns, rows }, null, AT_MS * 1_000);
  return made;
}

const TIME: Column = { name: 't', type: 'time', key: true };
const float = (name: string): Column => ({ name, type: 'float' });

/** Columns over the last `range_s` seconds, one point a step. */
export function series(
  range_s: number,
  step_s: number,
  lines: { readonly [name: string]: readonly (number | null)[] },
): PanelSource {
  const names = Object.keys(lines);
  const count = Math.floor(range_s / step_s);
  const rows = Array.from({ length: count }, (_, at) => [
    Math.floor(AT_MS / 1_000 - range_s + (at + 1) * step_s) * 1_000_000,
    ...names.map((name) => lines[name]?.[at] ?? null),
  ]);
  return source([TIME, ...names.map(float)], rows);
}
