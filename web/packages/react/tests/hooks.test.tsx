// @vitest-environment happy-dom
import type { Cell } from '@pulseboard/client';
import { act, cleanup, render, renderHook, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import fixture from '../../../../crates/protocol/fixtures/alerts.json';
import { firings } from '../src/hooks/alertStore.js';
import {
  ConnectionStatus,
  type LiveEvent,
  useAlerts,
  useBoard,
  useConnection,
  useLiveQuery,
  useLiveValue,
  useRealtimeData,
  useSubscription,
  viewChannel,
} from '../src/index.js';
import { COLUMNS, makeWorld } from './world.js';

afterEach(cleanup);

describe('useLiveQuery', () => {
  it('gives the rows of a view as soon as they are there, and what changes', async () => {
    const { server, settle, wrapper } = makeWorld();
    const { result } = renderHook(() => useLiveQuery('orders'), { wrapper });
    expect(result.current).toMatchObject({ rows: null, isLoading: true, status: 'loading' });
    await settle();
    expect(result.current.rows).toEqual([
      { item: 'flask', n: 1, total: '24.50' },
      { item: 'shell', n: 2, total: '90.00' },
    ]);
    expect(result.current).toMatchObject({
      isLoading: false,
      isConnected: true,
      keys: ['flask', 'shell'],
      error: null,
    });
    const [flask, shell] = result.current.rows ?? [];
    server.set('view:orders', 'shell', { n: 3 });
    await settle();
    expect(result.current.rows?.[0], 'a row that did not change is the same object').toBe(flask);
    expect(result.current.rows?.[1]).toEqual({ ...shell, n: 3 });
    server.remove('view:orders', 'flask');
    await settle();
    expect(result.current.keys).toEqual(['shell']);
  });

  it('keeps its rows while the server is away and says so', async () => {
    const { server, settle, wrapper } = makeWorld();
    const { result } = renderHook(() => useLiveQuery('orders'), { wrapper });
    await settle();
    act(() => server.stop());
    await settle(1_000);
    expect(result.current.rows).toHaveLength(2);
    expect(result.current).toMatchObject({ isConnected: false, live: { isConnected: false } });
    server.start();
    server.set('view:orders', 'flask', { n: 9 });
    await settle(15_000);
    expect(result.current).toMatchObject({ isConnected: true, row: { n: 9 } });
  });

  it('says why a view was refused, and that is not the same as nothing', async () => {
    const { settle, wrapper } = makeWorld();
    const { result } = renderHook(() => useLiveQuery('no_such_view'), { wrapper });
    await settle();
    expect(result.current).toMatchObject({
      rows: null,
      status: 'refused',
      isLoading: false,
      error: { code: 'unknown_view' },
    });
  });

  it('registers SQL with its parameters and follows the channel that it gets', async () => {
    const { server, world, settle, wrapper } = makeWorld();
    server.view('sql:abc', COLUMNS);
    server.set('sql:abc', 'flask', { item: 'flask', n: 7, total: '1.00' });
    server.answer('live/queries', { channel: 'sql:abc' });
    const sql = 'SELECT * FROM orders WHERE item = $item';
    const options = { params: { item: 'flask' }, max_hz: 4, timezone: 'Europe/Berlin' };
    const { result, rerender } = renderHook(
      () => useLiveQuery({ sql }, { ...options, params: { ...options.params } }),
      { wrapper },
    );
    await settle();
    expect(JSON.parse(world.requests[0]?.body ?? '')).toEqual({
      sql,
      params: { item: 'flask' },
      timezone: 'Europe/Berlin',
    });
    await settle();
    expect(result.current.row).toMatchObject({ n: 7 });
    const subscribe = world.socket.commands.find(({ type }) => type === 'subscribe');
    expect(subscribe).toMatchObject({ channels: ['sql:abc'], max_hz: 4 });
    rerender();
    await settle();
    expect(world.requests, 'equal parameters are the same query').toHaveLength(1);
  });

  it('says what is wrong with SQL in the server\u2019s words', async () => {
    const { server, settle, wrapper } = makeWorld();
    server.answer('live/queries', {
      code: 'unknown_column',
      message: 'there is no column `tota`; did you mean `total`?',
    });
    const { result } = renderHook(() => useLiveQuery('SELECT tota FROM orders'), { wrapper });
    await settle();
    expect(result.current).toMatchObject({ status: 'refused', error: { code: 'unknown_column' }, rows: null });
    expect(result.current.live.error).toContain('did you mean');
  });

  it('asks less often for readers who save data', async () => {
    const { world, settle, wrapper } = makeWorld();
    Object.defineProperty(navigator, 'connection', { value: { saveData: true }, configurable: true });
    renderHook(() => useLiveQuery('orders', { max_hz: 30 }), { wrapper });
    await settle();
    Reflect.deleteProperty(navigator, 'connection');
    expect(world.socket.commands.find(({ type }) => type === 'subscribe')).toMatchObject({ max_hz: 1 });
  });

  it('asks less often while the battery is nearly empty', async () => {
    const battery = { charging: false, level: 0.15 };
    Object.defineProperty(navigator, 'getBattery', { value: async () => battery, configurable: true });
    const { world, settle, wrapper } = makeWorld();
    const pace = () => world.socket.commands.filter(({ type }) => type === 'subscribe').at(-1);
    // The first one asks for the battery, whose state is known a moment later.
    renderHook(() => useLiveQuery('orders'), { wrapper });
    await settle();
    renderHook(() => useLiveQuery('orders', { max_hz: 20 }), { wrapper });
    await settle();
    expect(pace()).toMatchObject({ max_hz: 1 });
    battery.charging = true;
    renderHook(() => useLiveQuery('orders', { max_hz: 20 }), { wrapper });
    await settle();
    Reflect.deleteProperty(navigator, 'getBattery');
    expect(pace()).toMatchObject({ max_hz: 20 });
  });

  it('follows nothing for null, and nothing at all without a provider', () => {
    expect(renderHook(() => useLiveQuery(null)).result.current.status).toBe('idle');
    expect(renderHook(() => useLiveQuery('orders')).result.current.status).toBe('loading');
  });

  it('has the channels of views in one form', () => {
    expect(viewChannel('trades', { symbol: 'BRK/A', day: 3 })).toBe('view:trades?day=3&symbol=BRK%2FA');
  });
});

describe('useLiveValue', () => {
  it('is one number of the first row; decimals keep their digits beside it', async () => {
    const { settle, wrapper } = makeWorld();
    const first = renderHook(() => useLiveValue('orders'), { wrapper });
    const total = renderHook(() => useLiveValue('orders', 'total'), { wrapper });
    expect(first.result.current.value).toBeNull();
    await settle();
    expect(first.result.current).toMatchObject({ value: 1, isConnected: true });
    expect(total.result.current).toMatchObject({ value: 24.5, cell: '24.50' });
  });
});

describe('useConnection and ConnectionStatus', () => {
  it('tell live from offline, count down, and try again when asked', async () => {
    const { server, world, client, settle, wrapper } = makeWorld();
    vi.useFakeTimers({ now: world.now() });
    const { result } = renderHook(() => useConnection(), { wrapper });
    render(<ConnectionStatus />, { wrapper });
    expect(screen.getByRole('status').textContent).toBe('Idle');
    act(() => client.connect());
    expect(screen.getByRole('status').textContent).toBe('Connecting');
    await settle();
    expect(result.current.isConnected).toBe(true);
    expect(screen.getByRole('status').textContent).toMatch(/^Live/);
    act(() => server.stop());
    world.chance = 0.999;
    await settle(1_000);
    expect(result.current.isConnected).toBe(false);
    expect(screen.getByRole('status').textContent).toMatch(/offline.*retrying/);
    server.start();
    act(() => screen.getByRole('button').click());
    await settle();
    expect(result.current.isConnected).toBe(true);
    vi.useRealTimers();
  });

  it('works with plain props and no provider', () => {
    const { rerender } = render(<ConnectionStatus isConnected />);
    expect(screen.getByRole('status').textContent).toBe('Live');
    rerender(<ConnectionStatus isConnected={false} />);
    expect(screen.getByRole('status').textContent).toBe('offline');
  });
});

describe('useSubscription', () => {
  it('calls one callback with what happens in each of its channels', async () => {
    const { server, settle, wrapper } = makeWorld();
    server.stream('stream:clicks', [{ name: 'page', type: 'string' }]);
    const events: LiveEvent[] = [];
    renderHook(() => useSubscription(['view:orders', 'stream:clicks'], (event) => events.push(event)), { wrapper });
    await settle();
    expect(events.map(({ type, channel }) => [type, channel])).toEqual([['rows', 'view:orders']]);
    expect(events[0]).toMatchObject({ replaced: true });
    server.append('stream:clicks', ['home']);
    server.set('view:orders', 'flask', { n: 5 });
    await settle();
    const [, ...later] = events;
    expect(later).toContainEqual(
      expect.objectContaining({ type: 'items', missed: 0, items: [{ page: 'home', _offset: 1 }] }),
    );
    const rows = later.find(({ type }) => type === 'rows');
    expect(rows).toMatchObject({ replaced: false });
    expect(rows?.type === 'rows' && [...rows.changed]).toEqual([['flask', { item: 'flask', n: 5, total: '24.50' }]]);
  });

  it('calls the newest callback and does not subscribe anew for it', async () => {
    const { server, settle, wrapper } = makeWorld();
    const [first, second] = [vi.fn(), vi.fn()];
    const { rerender } = renderHook(({ call }) => useSubscription('view:orders', call), {
      wrapper,
      initialProps: { call: first },
    });
    await settle();
    expect(first).toHaveBeenCalledTimes(1);
    rerender({ call: second });
    server.set('view:orders', 'flask', { n: 6 });
    await settle();
    expect(first).toHaveBeenCalledTimes(1);
    expect(second).toHaveBeenCalledTimes(1);
    expect(server.subscriptions).toBe(1);
  });

  it('ends its subscription with the component', async () => {
    const { server, settle, wrapper } = makeWorld();
    const { unmount } = renderHook(() => useSubscription('view:orders', () => {}), { wrapper });
    await settle();
    expect(server.subscriptions).toBe(1);
    unmount();
    await settle();
    expect(server.subscriptions).toBe(0);
  });
});

describe('useRealtimeData', () => {
  it('shows what the fetcher gives at once, and what comes live after it', async () => {
    const { server, settle, wrapper } = makeWorld();
    const fetcher = vi.fn(async () => [{ item: 'fetched', n: 0, total: '0' }]);
    const { result } = renderHook(() => useRealtimeData('view:orders', fetcher), { wrapper });
    expect(result.current).toMatchObject({ data: null, isLoading: true });
    await act(async () => {});
    expect(result.current).toMatchObject({ data: [{ item: 'fetched' }], isLive: false });
    await settle();
    expect(result.current).toMatchObject({ isLive: true, isConnected: true });
    expect(result.current.data).toHaveLength(2);
    server.set('view:orders', 'flask', { n: 8 });
    await settle();
    expect(result.current.data?.[0]).toMatchObject({ n: 8 });
    expect(fetcher).toHaveBeenCalledTimes(1);
  });

  it('keeps live data when an older answer comes late, and data when a fetch fails', async () => {
    let push: (next: number) => void = () => {};
    const answers: ((value: number) => void)[] = [];
    const fetcher = () => new Promise<number>((resolve) => answers.push(resolve));
    const live = (_: string, give: (next: number) => void) => {
      push = give;
      return () => {};
    };
    const { result } = renderHook(() => useRealtimeData<number>('price', fetcher, { live }));
    act(() => push(101));
    await act(async () => answers[0]?.(100));
    expect(result.current.data).toBe(101);
    const failing = renderHook(() =>
      useRealtimeData<number>('price', () => Promise.reject(new Error('503')), { live }),
    );
    await act(async () => {});
    expect(failing.result.current).toMatchObject({ data: null, error: { message: '503' }, live: { error: '503' } });
    act(() => push(102));
    expect(failing.result.current).toMatchObject({ data: 102, error: null });
  });
});

describe('useBoard', () => {
  it('gives the definition and one subscription for all panels', async () => {
    const { server, settle, wrapper } = makeWorld();
    const panels = [{ id: 'a', type: 'table', title: 'Orders', channel: 'view:orders' }];
    server.answer('boards/shop', { title: 'Shop', panels });
    const { result } = renderHook(() => useBoard('shop'), { wrapper });
    expect(result.current.isLoading).toBe(true);
    await settle();
    await settle();
    expect(result.current.board?.title).toBe('Shop');
    expect(result.current.panel('a')?.loaded).toBe(true);
    expect(result.current.panel('b')).toBeNull();
    expect(server.subscriptions).toBe(1);
  });
});

describe('useAlerts', () => {
  const COLUMNS = [
    { name: 'time', type: 'time' },
    { name: 'id', type: 'string' },
    { name: 'status', type: 'string' },
    { name: 'severity', type: 'string' },
    { name: 'rule', type: 'string' },
    { name: 'message', type: 'string' },
    { name: 'value', type: 'float' },
    { name: 'since', type: 'time' },
    { name: 'ended', type: 'time' },
  ];

  it('puts what was told of each firing together, and says when the server refuses', async () => {
    const { server, settle, wrapper } = makeWorld();
    const refused = renderHook(() => useAlerts(), { wrapper });
    await settle();
    expect(refused.result.current).toMatchObject({ alerts: null, error: expect.any(String) });
    refused.unmount();
    server.stream('alerts', COLUMNS);
    const { result } = renderHook(() => useAlerts(), { wrapper });
    await settle();
    expect(result.current).toMatchObject({ alerts: [], firing: 0, error: null, isConnected: true });
    server.append('alerts', [5e12, '1', 'firing', 'critical', 'oversell', 'sold out', 2, 5e12, null]);
    server.append('alerts', [6e12, '2', 'firing', 'info', null, 'quiet', null, 6e12, null]);
    await settle();
    expect(result.current.firing).toBe(2);
    expect(result.current.alerts?.[0]).toEqual({
      id: '1',
      severity: 'critical',
      type: 'oversell',
      metric: undefined,
      message: 'sold out',
      value: 2,
      threshold: null,
      unit: undefined,
      since_ms: 5e9,
      endedAt_ms: null,
    });
    // What is not said again still holds.
    server.append('alerts', [7e12, '1', 'ended', null, null, null, 9, null, 7e12]);
    await settle();
    expect(result.current.firing).toBe(1);
    const first = () => result.current.alerts?.find(({ id }) => id === '1');
    expect(first()).toMatchObject({ message: 'sold out', value: 9, since_ms: 5e9, endedAt_ms: 7e9 });
    server.append('alerts', [8e12, '1', 'firing', null, null, null, 1, null, null]);
    await settle();
    expect(first()).toMatchObject({ severity: 'critical', message: 'sold out', since_ms: 8e9, endedAt_ms: null });
    expect(result.current.firing).toBe(2);
    // Told again, it goes on since it began.
    server.append('alerts', [9e12, '1', 'firing', null, null, null, 3, null, null]);
    await settle();
    expect(first()).toMatchObject({ value: 3, since_ms: 8e9 });
    // Another log: what was known of the old one fires no more.
    server.newEpoch();
    server.restart(100);
    server.start();
    server.append('alerts', [1e13, '3', 'firing', null, null, 'new', null, null, null]);
    await settle(5_000);
    expect(result.current.alerts?.map(({ id }) => id)).toEqual(['2', '1', '3']);
  });

  it('reads what the server keeps of what it is told', () => {
    const names = [
      'id',
      'status',
      'severity',
      'rule',
      'metric',
      'message',
      'value',
      'threshold',
      'unit',
      'since',
      'ended',
    ];
    const columns = names.map((name) => ({ name, type: 'string' }));
    const rows = fixture.good.map(({ kept }) => names.map((name) => (kept as { [name: string]: Cell })[name] ?? null));
    const [revenue, stock, ...others] = firings(columns, rows);
    expect(others).toEqual([]);
    expect(revenue).toMatchObject({ severity: 'warning', message: 'revenue fell to half', endedAt_ms: null });
    expect(stock).toMatchObject({ id: 'stock-7', severity: 'critical', type: 'low_stock', unit: 'short', value: 40 });
    expect(stock?.endedAt_ms).toBe(1_699_999_999_000);
  });

  it('follows a view whose rows are firings', async () => {
    const { server, settle, wrapper } = makeWorld();
    server.view('view:mine', COLUMNS);
    server.set('view:mine', 'a', { id: 'a', message: 'm', since: 5e12, ended: null });
    const { result } = renderHook(() => useAlerts('view:mine'), { wrapper });
    await settle();
    expect(result.current.firing).toBe(1);
    server.remove('view:mine', 'a');
    await settle();
    expect(result.current.alerts).toEqual([]);
  });
});
