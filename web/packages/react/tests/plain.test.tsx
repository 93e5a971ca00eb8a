// @vitest-environment happy-dom
import { FakeWorld } from '@pulseboard/client/testing';
import { act, cleanup, renderHook } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type EventSourceLike, usePolling, useSSE, useWebSocket } from '../src/index.js';
import './world.js';

afterEach(cleanup);

const RECONNECT = { base_ms: 1_000, cap_ms: 8_000 };

describe('useWebSocket', () => {
  const open = (world: FakeWorld) => act(() => world.socket.open());

  it('gives messages, comes back after a loss with growing waits, and sends what waited', () => {
    const world = new FakeWorld();
    world.chance = 0.999;
    const { result } = renderHook(() =>
      useWebSocket<{ n: number }>('ws://any.test/', { environment: world, reconnect: RECONNECT }),
    );
    expect(result.current).toMatchObject({ status: 'connecting', lastMessage: null });
    expect(result.current.send({ hello: 1 }), 'it waits').toBe(false);
    open(world);
    expect(result.current.isConnected).toBe(true);
    expect(world.socket.commands).toEqual([{ hello: 1 }]);
    act(() => world.socket.say({ n: 1 }));
    expect(result.current.lastMessage).toEqual({ n: 1 });
    act(() => world.socket.cut());
    expect(result.current).toMatchObject({ status: 'waiting', attempt: 1, lastMessage: { n: 1 } });
    expect(result.current.retry_at_ms).toBe(world.now() + 999);
    act(() => world.pass(999));
    expect(world.sockets).toHaveLength(2);
    act(() => world.socket.cut());
    expect(result.current.retry_at_ms).toBe(world.now() + 1_998);
    act(() => world.wake());
    expect(world.sockets, 'at once when the network is back').toHaveLength(3);
    open(world);
    expect(result.current).toMatchObject({ isConnected: true, attempt: 0 });
  });

  it('gives up after the attempts it has, and tries again when told', () => {
    const world = new FakeWorld();
    const reconnect = { ...RECONNECT, attempts_max: 1 };
    const { result } = renderHook(() => useWebSocket('ws://any.test/', { environment: world, reconnect }));
    act(() => world.socket.cut());
    act(() => world.pass(1_000));
    act(() => world.socket.cut());
    expect(result.current.status).toBe('closed');
    act(() => world.pass(60_000));
    expect(world.sockets).toHaveLength(2);
    act(() => result.current.reconnect());
    expect(world.sockets).toHaveLength(3);
  });

  it('renders nothing for messages that only a callback wants', () => {
    const world = new FakeWorld();
    const onMessage = vi.fn();
    let renders = 0;
    renderHook(() => {
      renders += 1;
      return useWebSocket('ws://any.test/', { environment: world, onMessage, keepLast: false });
    });
    open(world);
    const before = renders;
    act(() => world.socket.onmessage?.({ data: 'plain text' }));
    expect(onMessage).toHaveBeenCalledWith('plain text');
    expect(renders).toBe(before);
  });

  it('closes with the component and when it is switched off', () => {
    const world = new FakeWorld();
    const { rerender } = renderHook(({ enabled }) => useWebSocket('ws://any.test/', { environment: world, enabled }), {
      initialProps: { enabled: true },
    });
    open(world);
    rerender({ enabled: false });
    expect(world.socket.closed).toBe(true);
  });
});

describe('useSSE', () => {
  class FakeSource implements EventSourceLike {
    onopen: ((event: unknown) => void) | null = null;
    onerror: ((event: unknown) => void) | null = null;
    closed = false;
    readonly listeners = new Map<string, (event: { data: string; lastEventId: string }) => void>();

    constructor(readonly url: string) {}

    addEventListener(name: string, listener: (event: { data: string; lastEventId: string }) => void): void {
      this.listeners.set(name, listener);
    }

    close(): void {
      this.closed = true;
    }
  }

  it('gives events by name, and resumes after a loss where it was', () => {
    const world = new FakeWorld();
    const sources: FakeSource[] = [];
    const openSource = (url: string) => {
      const source = new FakeSource(url);
      sources.push(source);
      return source;
    };
    const { result } = renderHook(() =>
      useSSE<{ n: number }>('http://any.test/events', {
        environment: world,
        openSource,
        events: ['orders'],
        resumeParam: 'since',
      }),
    );
    act(() => sources[0]?.onopen?.({}));
    expect(result.current.isConnected).toBe(true);
    act(() => sources[0]?.listeners.get('orders')?.({ data: '{"n":4}', lastEventId: 'c 7' }));
    expect(result.current).toMatchObject({ data: { n: 4 }, event: 'orders', lastEventId: 'c 7' });
    act(() => sources[0]?.onerror?.({}));
    expect(sources[0]?.closed).toBe(true);
    expect(result.current).toMatchObject({ status: 'waiting', data: { n: 4 } });
    act(() => world.pass(1_000));
    expect(sources[1]?.url).toBe('http://any.test/events?since=c%207');
  });
});

describe('usePolling', () => {
  function poll(options = {}) {
    const world = new FakeWorld();
    let renders = 0;
    const hook = renderHook(() => {
      renders += 1;
      return usePolling<{ n: number }>('http://any.test/data', { environment: world, every_ms: 1_000, ...options });
    });
    const answer = (body: object | undefined, status = 200, headers: Record<string, string> = {}) =>
      act(async () => {
        if (body === undefined) {
          world.request.status(status, headers);
        } else {
          world.request.json(body, status, headers);
        }
        await world.advance(0);
      });
    const pass = (time_ms: number) => act(() => world.advance(time_ms));
    return { world, hook, answer, pass, renders: () => renders };
  }

  it('asks again with the ETag, and does not render for 304 or for equal data', async () => {
    const { world, hook, answer, pass, renders } = poll();
    expect(hook.result.current).toMatchObject({ data: null, isLoading: true });
    await answer({ n: 1 }, 200, { etag: 'W/"a"' });
    expect(hook.result.current).toMatchObject({ data: { n: 1 }, isLoading: false, isConnected: true });
    const { data } = hook.result.current;
    const before = renders();
    await pass(1_000);
    expect(world.requests).toHaveLength(2);
    expect(world.request.headers.get('if-none-match')).toBe('W/"a"');
    await answer(undefined, 304);
    await pass(1_000);
    await answer({ n: 1 }, 200, { etag: 'W/"b"' });
    expect(renders()).toBe(before);
    expect(hook.result.current.data).toBe(data);
    await pass(1_000);
    expect(world.request.headers.get('if-none-match')).toBe('W/"b"');
    await answer({ n: 2 });
    expect(hook.result.current.data).toEqual({ n: 2 });
  });

  it('keeps the last answer while it fails, and asks less and less often', async () => {
    const { world, hook, answer, pass } = poll();
    world.chance = 0.999;
    await answer({ n: 1 });
    await pass(1_000);
    await answer(undefined, 503);
    expect(hook.result.current).toMatchObject({ data: { n: 1 }, error: 'the server answered 503', isConnected: false });
    await pass(1_500);
    expect(world.requests, 'not after the usual pause').toHaveLength(2);
    await pass(500);
    expect(world.requests).toHaveLength(3);
    await answer({ n: 2 });
    expect(hook.result.current).toMatchObject({ data: { n: 2 }, error: null, isConnected: true });
  });

  it('asks nothing while nobody looks, and at once when the page is seen again', async () => {
    const { world, answer, pass } = poll();
    await answer({ n: 1 });
    world.isHidden = true;
    await pass(10_000);
    expect(world.requests).toHaveLength(1);
    world.isHidden = false;
    await act(() => world.wake());
    expect(world.requests).toHaveLength(2);
  });
});
