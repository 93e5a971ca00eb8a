import type { Cell, Column, TailBuffer } from '@pulseboard/client';
import { describe, expect, it } from 'vitest';
import { ColumnWidths } from './columnWidths';
import { type RowSource, TailRows } from './rows';

const columns: Column[] = [
  { name: 'n', type: 'int' },
  { name: 'text', type: 'string' },
];

function source(rows: Record<string, (string | number)[]>): RowSource {
  const ids = () => Object.keys(rows);
  return { columns, numbered: false, steady: true, ids, cells: (id) => rows[id] ?? null, message: () => '' };
}

describe('column widths', () => {
  it('only grow, so that nothing moves while data runs', () => {
    const widths = new ColumnWidths();
    const written = {
      label: ({ name }: Column) => name,
      text: (_: Column, cell: Cell) => `${cell}`,
      least_chars: () => 0,
    };
    const wide = source({ a: [1, 'a long text here'] });
    expect(widths.fit(wide, ['a'], written)).toBe(true);
    const before = widths.layout(true);
    expect(widths.fit(source({ a: [1, 'x'] }), ['a'], written)).toBe(false);
    expect(widths.layout(true)).toEqual(before);
    expect(widths.fit(source({ a: [1, 'an even longer text here'] }), ['a'], written)).toBe(true);
  });

  it('are asked of rows that changed or were not there', () => {
    const widths = new ColumnWidths();
    const looked: Cell[] = [];
    const written = {
      label: ({ name }: Column) => name,
      text: (_: Column, cell: Cell) => {
        looked.push(cell);
        return `${cell}`;
      },
      least_chars: () => 0,
    };
    widths.fit(source({ a: [1, 'a'], b: [2, 'b'] }), ['a', 'b'], written);
    looked.length = 0;
    const changes = { replaced: false, changed: new Map([['a', new Set([0])]]), removed: new Set<string>() };
    widths.fit(source({ a: [3, 'a'], b: [2, 'b'], c: [4, 'c'] }), ['a', 'b', 'c'], written, changes);
    expect(looked).toEqual([3, 'a', 4, 'c']);
    looked.length = 0;
    widths.fit(source({ a: [3, 'a'] }), ['a'], written, { ...changes, replaced: true });
    expect(looked).toEqual([3, 'a']);
  });

  it('go by what is shown, not by what it was made of', () => {
    const widths = new ColumnWidths();
    const written = { label: () => 'Since', text: () => '3 s', least_chars: () => 6 };
    widths.fit(source({ a: [1_795_857_784_000_000, 'a text that is shown as another'] }), ['a'], written);
    expect(widths.layout(true)).toEqual({ widths: ['50%', '50%', '0'], min_chars: 18 });
  });
});

describe('rows of a tail', () => {
  it('are newest first with gaps where they are', () => {
    const tail = {
      columns,
      rows: [
        [1, 'a'],
        [2, 'b'],
        [3, 'c'],
      ],
      first: 10,
      gaps: [{ before: 12, reason: 'skipped', missed: 7 }],
    } as unknown as TailBuffer;
    const rows = new TailRows(tail);
    expect(rows.ids()).toEqual(['12', 'gap 12', '11', '10']);
    expect(rows.cells('11')).toEqual([2, 'b']);
    expect(rows.cells('gap 12')).toBeNull();
    expect(rows.message('gap 12')).toBe('7 events missing here (skipped)');
  });
});
