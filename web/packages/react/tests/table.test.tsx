// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BarList, type DataColumn, DataTable, useLiveQuery } from '../src/index.js';
import { makeWorld } from './world.js';

type Order = { readonly id: string; readonly item: string; readonly total: number | null };

const COLUMNS: readonly DataColumn<Order>[] = [
  { key: 'id' },
  { key: 'item' },
  { key: 'total', isNumeric: true, unit: 'EUR' },
];
const animate = vi.fn();

beforeEach(() => {
  animate.mockClear();
  HTMLElement.prototype.animate = animate;
  // happy-dom lays nothing out: the place of the rows is 320 px high.
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(320);
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(600);
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

const order = (index: number, total: number | null = index): Order => ({ id: `o${index}`, item: 'flask', total });
const many = (count: number) => Array.from({ length: count }, (_, index) => order(index));
const table = (rows: readonly Order[] | null) => <DataTable rows={rows} columns={COLUMNS} rowKey="id" height={320} />;
const body = () => screen.getAllByRole('row').slice(1);
const ids = () => body().map((row) => row.firstElementChild?.textContent);

describe('DataTable', () => {
  it('has only the rows in view', () => {
    render(table(many(10_000)));
    expect(body().length).toBeGreaterThan(9);
    expect(body().length).toBeLessThan(40);
    expect(screen.getByRole('table').getAttribute('aria-rowcount')).toBe('10001');
  });

  it('flashes a cell that changed, and no other; tints a row that is new', () => {
    const rows = many(5);
    const { rerender } = render(table(rows));
    expect(body().map((row) => row.dataset.new)).toEqual(['false', 'false', 'false', 'false', 'false']);
    rerender(table([...rows.slice(0, 4), order(4, 9)]));
    expect(animate).toHaveBeenCalledTimes(1);
    expect(body()[4]?.lastElementChild?.textContent).toBe('€9.00');
    expect(body()[4]?.lastElementChild?.getAttribute('data-direction')).toBe('up');
    rerender(table([order(7), ...rows]));
    expect(body()[0]?.dataset.new).toBe('true');
    expect(body()[1]?.dataset.new).toBe('false');
  });

  it('does not reorder rows under the pointer, and catches up when it leaves', () => {
    const rows = many(3);
    const { rerender } = render(table(rows));
    fireEvent.pointerEnter(screen.getByRole('table'));
    rerender(table([order(3), ...[...rows].reverse()]));
    expect(ids()).toEqual(['o0', 'o1', 'o2', 'o3']);
    fireEvent.pointerLeave(screen.getByRole('table'));
    expect(ids()).toEqual(['o3', 'o2', 'o1', 'o0']);
  });

  it('sorts by a head: largest first, then smallest, then as it came; unknown comes last', () => {
    render(table([order(1), order(2, null), order(3)]));
    const head = screen.getByRole('button', { name: /total/ });
    fireEvent.click(head);
    expect(ids()).toEqual(['o3', 'o1', 'o2']);
    fireEvent.click(head);
    expect(ids()).toEqual(['o1', 'o3', 'o2']);
    fireEvent.click(head);
    expect(ids()).toEqual(['o1', 'o2', 'o3']);
  });

  it('tells empty from unknown', () => {
    const { container, rerender } = render(table([]));
    expect(container.textContent).toBe('no rows right now');
    rerender(table(null));
    expect(container.textContent).toBe('no data yet');
  });

  it('follows a live query by its keys', async () => {
    const { server, settle, wrapper } = makeWorld();
    const Live = () => <DataTable channel={useLiveQuery('orders').channel} />;
    render(<Live />, { wrapper });
    await settle();
    expect(ids()).toEqual(['flask', 'shell']);
    expect(screen.getAllByRole('columnheader').map(({ textContent }) => textContent)).toEqual(['item', 'n', 'total']);
    animate.mockClear();
    server.set('view:orders', 'shell', { n: 3 });
    await settle();
    expect(animate).toHaveBeenCalledTimes(1);
    expect(body()[1]?.textContent).toBe('shell390.00');
  });
});

describe('BarList', () => {
  it('shows the largest, counts the rest, and holds still under the pointer', () => {
    const list = (a: number, b: number) => (
      <BarList
        limit={2}
        items={[
          { label: 'a', value: a },
          { label: 'b', value: b },
          { label: 'c', value: 1 },
        ]}
      />
    );
    const { container, rerender } = render(list(3, 2));
    const labels = () => [...container.querySelectorAll('.pb-bar-label')].map(({ textContent }) => textContent);
    expect(labels()).toEqual(['a', 'b']);
    expect(container.textContent).toContain('1 more');
    const bars = container.querySelector('.pb-bars') as HTMLElement;
    fireEvent.pointerEnter(bars);
    rerender(list(2, 3));
    expect(labels()).toEqual(['a', 'b']);
    fireEvent.pointerLeave(bars);
    expect(labels()).toEqual(['b', 'a']);
  });
});
