import { describe, expect, it } from 'vitest';
import { KeyedTable } from '../src/keyed';
import { numeric, SeriesBuffer } from '../src/series';

const columns = [
  { name: 't', type: 'time', key: true },
  { name: 'core', type: 'int', key: true },
  { name: 'v', type: 'float' },
];
const second = 1_000_000;

function start(rows: [number, number, number | null][]): { table: KeyedTable; buffer: SeriesBuffer } {
  const table = new KeyedTable();
  table.applySnapshot({
    columns,
    keys: rows.map(([t, core]) => `${t}/${core}`),
    rows: rows.map(([t, core, v]) => [t * second, core, v]),
  });
  const buffer = new SeriesBuffer({ time: 't', by: 'core', values: ['v'] });
  buffer.apply(table, table.takeChanges());
  return { table, buffer };
}

function shown(buffer: SeriesBuffer): Record<string, (number | null)[]> {
  return Object.fromEntries(buffer.series.map(({ name, values }) => [name, values]));
}

describe('SeriesBuffer', () => {
  it('pivots unordered rows into sorted columns with nulls where a series has no point', () => {
    const { buffer } = start([
      [2, 1, 21],
      [1, 0, 10],
      [2, 0, 20],
    ]);
    expect(buffer.times).toEqual([1_000, 2_000]);
    expect(shown(buffer)).toEqual({ 0: [10, 20], 1: [null, 21] });
  });

  it('moves with a sliding window: points appear at the end and leave at the front', () => {
    const { table, buffer } = start([
      [1, 0, 10],
      [2, 0, 20],
    ]);
    table.applyDelta({ del: ['1/0'], set: { '3/0': { t: 3 * second, core: 0, v: 30 } } });
    expect(buffer.apply(table, table.takeChanges())).toBe(false);
    expect(buffer.times).toEqual([2_000, 3_000]);
    expect(shown(buffer)).toEqual({ 0: [20, 30] });
  });

  it('corrects an old point in place', () => {
    const { table, buffer } = start([
      [1, 0, 10],
      [2, 0, 20],
    ]);
    table.applyDelta({ set: { '1/0': { v: 11 } } });
    buffer.apply(table, table.takeChanges());
    expect(shown(buffer)).toEqual({ 0: [11, 20] });
  });

  it('puts a late point where it belongs', () => {
    const { table, buffer } = start([
      [1, 0, 10],
      [3, 0, 30],
    ]);
    table.applyDelta({ set: { '2/0': { t: 2 * second, core: 0, v: 20 } } });
    buffer.apply(table, table.takeChanges());
    expect(buffer.times).toEqual([1_000, 2_000, 3_000]);
    expect(shown(buffer)).toEqual({ 0: [10, 20, 30] });
  });

  it('says when a series is new and sorts names by their numbers', () => {
    const { table, buffer } = start([[1, 2, 2]]);
    table.applyDelta({ set: { '1/10': { t: second, core: 10, v: 10 }, '1/1': { t: second, core: 1, v: 1 } } });
    expect(buffer.apply(table, table.takeChanges())).toBe(true);
    expect(buffer.series.map(({ name }) => name)).toEqual(['1', '2', '10']);
    table.applyDelta({ del: ['1/2'], set: { '2/2': { t: 2 * second, core: 2, v: 22 } } });
    buffer.apply(table, table.takeChanges());
    expect(shown(buffer)).toEqual({ 1: [1, null], 2: [null, 22], 10: [10, null] });
  });

  it('agrees with a rebuild after any changes', () => {
    const { table, buffer } = start([]);
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    for (let round = 0; round < 400; round += 1) {
      const t = random(30);
      const core = random(4);
      const key = `${t}/${core}`;
      table.applyDelta(random(3) === 0 ? { del: [key] } : { set: { [key]: { t: t * second, core, v: random(99) } } });
      if (random(2) === 0) {
        buffer.apply(table, table.takeChanges());
      }
    }
    buffer.apply(table, table.takeChanges());
    const fresh = new SeriesBuffer({ time: 't', by: 'core', values: ['v'] });
    fresh.apply(table, { replaced: true, changed: new Map(), removed: new Set() });
    const points = (from: SeriesBuffer) =>
      from.series
        .flatMap(({ name, values }) => values.map((value, index) => [name, from.times[index], value]))
        .filter(([, , value]) => value !== null);
    expect(points(buffer)).toEqual(points(fresh));
    expect(points(buffer)).toHaveLength(table.size);
  });

  it('reads decimals and large integers as numbers and what is no number as unknown', () => {
    expect(numeric('12.50')).toBe(12.5);
    expect(numeric('9007199254740993')).toBeCloseTo(9.007199254740992e15, -1);
    expect(numeric('NaN')).toBeNull();
    expect(numeric('')).toBeNull();
    expect(numeric(null)).toBeNull();
  });
});
