import { describe, expect, it } from 'vitest';
import { KeyedTable, MisfitError } from '../src/keyed';
import type { KeyedSnapshot } from '../src/protocol';
import { keyedSnapshot } from './frames';

function loaded(rows: Record<string, (string | number | null)[]>, order?: string[]): KeyedTable {
  const table = new KeyedTable();
  table.applySnapshot(keyedSnapshot(rows, order) as KeyedSnapshot);
  table.takeChanges();
  return table;
}

describe('KeyedTable', () => {
  it('is not loaded before a snapshot, and is with an empty one', () => {
    const table = new KeyedTable();
    expect(table.loaded).toBe(false);
    table.applySnapshot(keyedSnapshot({}) as KeyedSnapshot);
    expect(table.loaded).toBe(true);
    expect([...table.rows()]).toEqual([]);
  });

  it('leaves absent fields as they were and takes null as a value', () => {
    const table = loaded({ a: ['a', 1, 2] });
    table.applyDelta({ set: { a: { n: null } } });
    expect(table.row('a')).toEqual(['a', null, 2]);
  });

  it('refuses a part of a row that it does not hold', () => {
    expect(() => loaded({}).applyDelta({ set: { b: { k: 'b', n: 7 } } })).toThrow(MisfitError);
  });

  it('refuses an order that does not name exactly the rows', () => {
    const table = loaded({ a: ['a', 1, 1], b: ['b', 2, 2] }, ['b', 'a']);
    expect(() => table.applyDelta({ del: ['a'] })).toThrow(MisfitError);
  });

  it('deletes before it sets, so a key in both is present with its new fields only', () => {
    const table = loaded({ a: ['a', 1, 2] });
    table.applyDelta({ del: ['a'], set: { a: { k: 'a', n: 5, m: null } } });
    expect(table.row('a')).toEqual(['a', 5, null]);
    expect(table.takeChanges().changed.get('a')).toBe('new');
  });

  it('keeps the order until a new one comes', () => {
    const table = loaded({ a: ['a', 1, 1], b: ['b', 2, 2] }, ['b', 'a']);
    expect(table.ordered).toBe(true);
    expect(loaded({ a: ['a', 1, 1] }).ordered).toBe(false);
    expect([...table.rows()].map(([key]) => key)).toEqual(['b', 'a']);
    table.applyDelta({ set: { a: { n: 9 } } });
    expect([...table.rows()].map(([key]) => key)).toEqual(['b', 'a']);
    table.applyDelta({ order: ['a', 'b'] });
    expect([...table.rows()].map(([key]) => key)).toEqual(['a', 'b']);
  });

  it('forgets the old order with a snapshot that has none', () => {
    const table = loaded({ a: ['a', 1, 1], b: ['b', 2, 2] }, ['b', 'a']);
    table.applySnapshot(keyedSnapshot({ a: ['a', 1, 1], b: ['b', 2, 2] }) as KeyedSnapshot);
    expect([...table.keys()]).toEqual(['a', 'b']);
  });

  it('says which columns changed, joined over several deltas', () => {
    const table = loaded({ a: ['a', 1, 1], b: ['b', 1, 1] });
    table.applyDelta({ set: { a: { n: 2 } } });
    table.applyDelta({ set: { a: { m: 3 } }, del: ['b'] });
    const changes = table.takeChanges();
    expect(changes.replaced).toBe(false);
    expect(changes.changed.get('a')).toEqual(new Set([1, 2]));
    expect(changes.removed).toEqual(new Set(['b']));
    expect(table.takeChanges().changed.size).toBe(0);
  });

  it('forgets a row that came and went between two looks', () => {
    const table = loaded({});
    table.applyDelta({ set: { x: { k: 'x', n: 1, m: 1 } } });
    table.applyDelta({ del: ['x'] });
    const changes = table.takeChanges();
    expect(changes.changed.size).toBe(0);
    expect(changes.removed.size).toBe(0);
  });

  it('says only that it was replaced when a snapshot came between', () => {
    const table = loaded({ a: ['a', 1, 1] });
    table.applyDelta({ del: ['a'] });
    table.applySnapshot(keyedSnapshot({ c: ['c', 1, 1] }) as KeyedSnapshot);
    table.applyDelta({ set: { c: { n: 2 } } });
    const changes = table.takeChanges();
    expect(changes.replaced).toBe(true);
    expect(changes.changed.size + changes.removed.size).toBe(0);
    expect(table.row('c')).toEqual(['c', 2, 1]);
  });

  it('refuses a delta that does not fit', () => {
    expect(() => new KeyedTable().applyDelta({ del: ['a'] })).toThrow(MisfitError);
    expect(() => loaded({ a: ['a', 1, 1] }).applyDelta({ set: { a: { nope: 1 } } })).toThrow(MisfitError);
  });

  it('ends in the same state over any split of the same deltas', () => {
    let seed = 42;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    const one = loaded({});
    const model = new Map<string, (number | string | null)[]>();
    for (let round = 0; round < 500; round += 1) {
      const key = `k${random(12)}`;
      if (random(4) === 0) {
        model.delete(key);
        one.applyDelta({ del: [key] });
      } else {
        const row = model.get(key) ?? [key, null, null];
        const column = 1 + random(2);
        row[column] = random(1_000);
        const known = model.has(key);
        model.set(key, row);
        const [k, n, m] = row;
        const whole = { k: k ?? null, n: n ?? null, m: m ?? null };
        const part = column === 1 ? { n: whole.n } : { m: whole.m };
        one.applyDelta({ set: { [key]: known ? part : whole } });
      }
    }
    expect(new Map([...one.rows()].map(([key, row]) => [key, [...row]]))).toEqual(model);
  });
});
