import { describe, expect, it } from 'vitest';
import { TailBuffer } from '../src/tail';

const columns = [{ name: 'n', type: 'int' }];

describe('TailBuffer', () => {
  it('keeps the newest items in order and numbers them', () => {
    const tail = new TailBuffer(3);
    tail.applySnapshot({ columns, rows: [[1]] }, undefined, null);
    tail.applyDelta({ append: [[2], [3], [4], [5]] });
    expect(tail.rows).toEqual([[3], [4], [5]]);
    expect(tail.first).toBe(2);
  });

  it('numbers go on when one batch is longer than the buffer', () => {
    const tail = new TailBuffer(2);
    tail.applySnapshot({ columns, rows: [] }, undefined, null);
    tail.applyDelta({ append: [[1], [2], [3], [4], [5]] });
    expect(tail.rows).toEqual([[4], [5]]);
    expect(tail.first).toBe(3);
  });

  it('marks a gap on reset and keeps what is on screen', () => {
    const tail = new TailBuffer(10);
    tail.applySnapshot({ columns, rows: [[1], [2]] }, undefined, null);
    tail.applySnapshot({ columns, rows: [] }, 'skipped', 7);
    tail.applyDelta({ append: [[10]] });
    expect(tail.rows).toEqual([[1], [2], [10]]);
    expect(tail.gaps).toEqual([{ before: 2, reason: 'skipped', missed: 7 }]);
  });

  it('adds what a second fresh join brings, each item once', () => {
    const tail = new TailBuffer();
    tail.applySnapshot({ columns, rows: [[1], [2]] }, undefined, null);
    tail.applySnapshot({ columns, rows: [[2], [3]] }, undefined, null);
    expect(tail.rows).toEqual([[1], [2], [3]]);
    expect(tail.first).toBe(0);
  });

  it('forgets a gap once the items before it are gone', () => {
    const tail = new TailBuffer(2);
    tail.applySnapshot({ columns, rows: [[1]] }, undefined, null);
    tail.applySnapshot({ columns, rows: [] }, 'gap', null);
    tail.applyDelta({ append: [[2], [3]] });
    expect(tail.gaps).toEqual([]);
  });

  it('takes the grown columns of an append', () => {
    const tail = new TailBuffer();
    tail.applySnapshot({ columns, rows: [[1]] }, undefined, null);
    tail.applyDelta({ append: [[2, 'x']], columns: [...columns, { name: 's', type: 'string' }] });
    expect(tail.columns.map(({ name }) => name)).toEqual(['n', 's']);
    expect(tail.rows).toEqual([[1], [2, 'x']]);
  });
});
