// @vitest-environment happy-dom
import { act, cleanup, renderHook } from '@testing-library/react';
import { afterEach, describe, expect, it } from 'vitest';
import { connectStore, createLiveStore, HISTORY_MAX, liveStore, useLiveStore } from '../src/store/index.js';
import { makeWorld } from './world.js';

afterEach(cleanup);

describe('the store', () => {
  it('caps each history at 100, the newest last, and leaves unknown values out of it', () => {
    const { getState } = createLiveStore();
    for (let count = 1; count <= 150; count += 1) {
      getState().setMetric('orders', count, count * 1_000);
    }
    getState().setMetric('orders', null);
    const { metrics, history } = getState();
    expect(HISTORY_MAX).toBe(100);
    expect(history.orders).toHaveLength(100);
    expect(history.orders?.[0]).toEqual({ time_ms: 51_000, value: 51 });
    expect(history.orders?.at(-1)).toEqual({ time_ms: 150_000, value: 150 });
    expect(metrics.orders).toBeNull();
    getState().addToHistory('orders', { time_ms: 151_000, value: 7 });
    expect(getState().history.orders).toHaveLength(100);
  });

  it('begins loading, and reset goes back to there', () => {
    const { getState } = createLiveStore();
    expect(getState()).toMatchObject({ loading: true, connected: false, metrics: {}, error: null });
    getState().setMetrics({ a: 1, b: 2 });
    getState().setConnected(true);
    getState().setError('no');
    expect(getState()).toMatchObject({ loading: false, connected: true, metrics: { a: 1, b: 2 }, error: 'no' });
    getState().reset();
    expect(getState()).toMatchObject({ loading: true, connected: false, metrics: {}, history: {}, error: null });
  });

  it('renders only what is selected', () => {
    let renders = 0;
    const { result } = renderHook(() => {
      renders += 1;
      return useLiveStore(({ metrics }) => metrics.orders);
    });
    act(() => liveStore.getState().setMetric('orders', 5));
    expect(result.current).toBe(5);
    const before = renders;
    act(() => liveStore.getState().setMetric('visitors', 12));
    expect(renders).toBe(before);
    act(() => liveStore.getState().reset());
  });

  it('is fed from a client', async () => {
    const { client, server, settle } = makeWorld();
    const store = createLiveStore();
    const stop = connectStore(store, client, { orders: 'orders', revenue: { query: 'orders', column: 'total' } });
    await settle();
    expect(store.getState()).toMatchObject({ connected: true, metrics: { orders: 1, revenue: 24.5 } });
    server.set('view:orders', 'flask', { n: 2 });
    await settle();
    expect(store.getState().history.orders?.map(({ value }) => value)).toEqual([1, 2]);
    expect(
      store.getState().history.revenue?.map(({ value }) => value),
      'what did not change adds nothing',
    ).toEqual([24.5]);
    stop();
    expect(store.getState()).toMatchObject({ connected: false, metrics: { orders: 2 } });
  });
});
