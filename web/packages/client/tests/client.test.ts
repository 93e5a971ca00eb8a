import { describe, expect, it } from 'vitest';
import type { KeyedChannel, TailChannel } from '../src/channel';
import { PulseClient } from '../src/client';
import { FakeWorld } from '../src/testing';
import { frame, keyedSnapshot } from './frames';

const url = 'http://127.0.0.1:8080/api/v1/';

function connected(channels = ['view:a']) {
  const world = new FakeWorld();
  const client = new PulseClient({ url, environment: world, share: false });
  const subscription = client.subscribe({ channels });
  world.socket.open();
  world.socket.say({ type: 'pong', time: world.now() * 1_000 });
  const sub = world.socket.accept();
  const channel = subscription.channel(channels[0] ?? '') as KeyedChannel;
  return { world, client, subscription, channel, sub };
}

function rowsOf(channel: KeyedChannel): unknown[] {
  return [...channel.table.rows()].map(([, row]) => [...row]);
}

describe('a subscription over WebSocket', () => {
  it('asks as soon as the connection stands, at 60 Hz and without a cursor', () => {
    const { world } = connected();
    expect(world.socket.url).toBe('ws://127.0.0.1:8080/api/v1/live');
    expect(world.socket.commands).toEqual([
      { id: 1, type: 'subscribe', channels: ['view:a'], max_hz: 60 },
      { type: 'ping' },
    ]);
  });

  it('tells listeners once per animation frame, however many frames came', () => {
    const { world, channel, sub } = connected();
    let calls = 0;
    channel.listen(() => {
      calls += 1;
    });
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({ x: ['x', 1, 1] }) }]));
    world.socket.say(frame(sub, 'c2', [{ channel: 'view:a', delta: { set: { x: { n: 2 } } } }]));
    world.socket.say(frame(sub, 'c3', [{ channel: 'view:a', delta: { set: { x: { n: 3 } } } }]));
    expect(calls).toBe(0);
    world.paint();
    expect(calls).toBe(1);
    expect(rowsOf(channel)).toEqual([['x', 3, 1]]);
    world.paint();
    expect(calls).toBe(1);
  });

  it('moves all channels of a frame together', () => {
    const { world, subscription, sub } = connected(['view:a', 'view:b']);
    const a = subscription.channel('view:a') as KeyedChannel;
    const b = subscription.channel('view:b') as KeyedChannel;
    const seen: unknown[] = [];
    a.listen(() => seen.push([rowsOf(a), rowsOf(b)]));
    const snapshot = keyedSnapshot({ x: ['x', 1, 1] });
    world.socket.say(
      frame(sub, 'c1', [
        { channel: 'view:a', snapshot },
        { channel: 'view:b', snapshot },
      ]),
    );
    world.paint();
    expect(seen).toEqual([[[['x', 1, 1]], [['x', 1, 1]]]]);
  });

  it('carries several subscriptions on one connection and ends them apart', () => {
    const { world, client, channel, sub } = connected();
    const second = client.subscribe({ channels: ['view:b'] });
    const secondSub = world.socket.accept();
    expect(world.sockets).toHaveLength(1);
    second.close();
    expect(world.socket.of('unsubscribe')).toEqual([{ type: 'unsubscribe', sub: secondSub }]);
    world.socket.say(frame(secondSub, 'z', [{ channel: 'view:b', delta: { del: ['x'] } }]));
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({ x: ['x', 1, 1] }) }]));
    expect(rowsOf(channel)).toEqual([['x', 1, 1]]);
  });

  it('unsubscribes after all when it was ended before the server had answered', () => {
    const { world, client } = connected();
    client.subscribe({ channels: ['view:b'] }).close();
    expect(world.socket.of('unsubscribe')).toEqual([]);
    const sub = world.socket.accept();
    expect(world.socket.of('unsubscribe')).toEqual([{ type: 'unsubscribe', sub }]);
  });

  it('keeps the data while disconnected and resumes from the cursor', () => {
    const { world, client, channel, sub, subscription } = connected();
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({ x: ['x', 1, 1] }) }]));
    world.socket.cut();
    expect(client.connection.status).toBe('waiting');
    expect(rowsOf(channel)).toEqual([['x', 1, 1]]);

    world.pass(2_000);
    world.socket.open();
    expect(world.sockets).toHaveLength(2);
    expect(world.socket.of('subscribe')).toMatchObject([{ channels: ['view:a'], since: 'c1' }]);
    const again = world.socket.accept(true);
    world.socket.say(frame(again, 'c2', [{ channel: 'view:a', delta: { set: { x: { n: 9 } } } }]));
    expect(rowsOf(channel)).toEqual([['x', 9, 1]]);
    expect(subscription.cursor).toBe('c2');
    expect(client.connection.status).toBe('open');
  });

  it('shows the old data until the snapshot of a reset, and says why it came', () => {
    const { world, channel, sub } = connected();
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({ x: ['x', 1, 1] }) }]));
    world.paint();
    world.socket.cut();
    world.pass(2_000);
    world.socket.open();
    const again = world.socket.accept();
    expect(rowsOf(channel)).toEqual([['x', 1, 1]]);
    const change = { channel: 'view:a', reset: 'restart', snapshot: keyedSnapshot({ y: ['y', 5, 5] }) };
    world.socket.say(frame(again, 'd1', [change]));
    expect(rowsOf(channel)).toEqual([['y', 5, 5]]);
    expect(channel.lastReset).toBe('restart');
  });

  it('asks for a snapshot when a delta does not fit, keeping what is shown', () => {
    const { world, channel, sub } = connected();
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({ x: ['x', 1, 1] }) }]));
    world.socket.say(frame(sub, 'c2', [{ channel: 'view:a', delta: { set: { x: { unheard_of: 1 } } } }]));
    expect(world.socket.of('unsubscribe')).toHaveLength(1);
    expect(world.socket.of('subscribe').at(-1)).toEqual({ id: 2, type: 'subscribe', channels: ['view:a'], max_hz: 60 });
    expect(rowsOf(channel)).toEqual([['x', 1, 1]]);
  });

  it('stops at a pause and continues from exactly there', () => {
    const { world, channel, sub, subscription } = connected();
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({ x: ['x', 1, 1] }) }]));
    subscription.pause();
    expect(world.socket.of('unsubscribe')).toEqual([{ type: 'unsubscribe', sub }]);
    world.socket.say(frame(sub, 'c2', [{ channel: 'view:a', delta: { set: { x: { n: 2 } } } }]));
    expect(rowsOf(channel)).toEqual([['x', 1, 1]]);
    subscription.resume();
    expect(world.socket.of('subscribe').at(-1)).toMatchObject({ since: 'c1' });
  });

  it('follows a state without data, and keeps the data', () => {
    const { world, channel, sub } = connected();
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({ x: ['x', 1, 1] }) }]));
    const state = { status: 'stale', mode: 'maintained', reason: 'the source is away' };
    world.socket.say(frame(sub, 'c2', [{ channel: 'view:a', state }]));
    expect(channel.state).toEqual(state);
    expect(rowsOf(channel)).toEqual([['x', 1, 1]]);
  });

  it('knows how fresh the data is: by the state, or by the frames that brought data', () => {
    const { world, channel, sub } = connected();
    const snapshot = keyedSnapshot({ x: ['x', 1, 1] });
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot }], { newest: 500 }));
    expect(channel.newest_us).toBe(500);
    world.socket.say(frame(sub, 'c2', [{ channel: 'view:a', delta: { set: { x: { n: 2 } } } }]));
    expect(channel.newest_us).toBe(500);
    const state = { status: 'live', mode: 'maintained', input_at: 700 };
    world.socket.say(frame(sub, 'c3', [{ channel: 'view:a', state }], { newest: 900 }));
    expect(channel.newest_us).toBe(700);
    world.socket.say(frame(sub, 'c4', [{ channel: 'view:a', delta: { set: { x: { n: 3 } } } }], { newest: 950 }));
    expect(channel.newest_us).toBe(700);
  });

  it('reports a refused channel and lets the others proceed', () => {
    const { world, subscription, sub } = connected(['view:a', 'view:nope']);
    const error = { code: 'unknown_view', message: 'there is no view `nope`' };
    world.socket.say({ type: 'error', id: 1, channel: 'view:nope', error });
    expect(subscription.errors.get('view:nope')).toEqual(error);
    expect(subscription.status).toBe('active');
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({ x: ['x', 1, 1] }) }]));
    expect(rowsOf(subscription.channel('view:a') as KeyedChannel)).toEqual([['x', 1, 1]]);
  });

  it('fails as a whole when every channel is refused', () => {
    const { world, subscription } = connected(['sql:1']);
    world.socket.say({ type: 'error', id: 1, channel: 'sql:1', error: { code: 'unknown_query', message: 'gone' } });
    expect(subscription.status).toBe('failed');
  });

  it('gives a late listener everything at once', () => {
    const { world, channel, sub } = connected();
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({ x: ['x', 1, 1] }) }]));
    world.paint();
    const seen: boolean[] = [];
    channel.listen((changes) => seen.push(changes.replaced));
    expect(seen).toEqual([true]);
  });

  it('goes on telling others when one listener throws', async () => {
    const { world, channel, sub } = connected();
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
    let told = false;
    channel.listen(() => {
      throw new Error('a bug in a page');
    });
    channel.listen(() => {
      told = true;
    });
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({}) }]));
    world.paint();
    expect(told).toBe(true);
    await expect(thrown).resolves.toMatchObject({ message: 'a bug in a page' });
  });
});

describe('tails', () => {
  it('append every item once and in order over a reconnect', () => {
    const { world, subscription, sub } = connected(['stream:s']);
    const { tail } = subscription.channel('stream:s') as TailChannel;
    const columns = [{ name: 'n', type: 'int' }];
    world.socket.say(frame(sub, 'c1', [{ channel: 'stream:s', snapshot: { columns, rows: [[1]] } }]));
    world.socket.say(frame(sub, 'c2', [{ channel: 'stream:s', delta: { append: [[2], [3]] } }]));
    world.socket.cut();
    world.pass(2_000);
    world.socket.open();
    const again = world.socket.accept(true);
    world.socket.say(frame(again, 'c3', [{ channel: 'stream:s', delta: { append: [[4]] } }]));
    expect(tail.rows).toEqual([[1], [2], [3], [4]]);
    expect(tail.gaps).toEqual([]);
  });
});

describe('the life of a connection', () => {
  it('is given up when nothing answers a ping, and retried', () => {
    const { world, client } = connected();
    world.pass(18_000);
    expect(world.socket.of('ping')).toHaveLength(2);
    expect(client.connection.status).toBe('open');
    world.pass(8_000);
    expect(client.connection.status).toBe('waiting');
    expect(world.socket.closed).toBe(true);
    world.pass(500);
    expect(world.sockets).toHaveLength(2);
  });

  it('lives on any message, not only on the pong', () => {
    const { world, client, sub } = connected();
    world.pass(19_000);
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot: keyedSnapshot({}) }]));
    world.pass(7_000);
    expect(client.connection.status).toBe('open');
  });

  it('is probed at a wake-up and given up fast', () => {
    const { world, client } = connected();
    world.wake();
    expect(world.socket.of('ping')).toHaveLength(2);
    world.pass(2_500);
    expect(client.connection.status).toBe('waiting');
  });

  it('is tried at once at a wake-up during the wait', () => {
    const { world } = connected();
    world.chance = 1;
    world.socket.cut();
    world.wake();
    expect(world.sockets).toHaveLength(2);
  });

  it('is given up when it does not open in time', () => {
    const world = new FakeWorld();
    const client = new PulseClient({ url, environment: world, share: false });
    client.subscribe({ channels: ['view:a'] });
    world.pass(6_000);
    expect(client.connection).toMatchObject({ status: 'waiting', reason: 'no_answer' });
  });

  it('can be made before anything is asked for, and be kept afterwards', () => {
    const world = new FakeWorld();
    const client = new PulseClient({ url, environment: world, share: false, linger_ms: Number.POSITIVE_INFINITY });
    client.connect();
    world.socket.open();
    world.socket.say({ type: 'pong', time: world.now() * 1_000 });
    expect(client.connection).toEqual({ status: 'open', transport: 'websocket' });
    client.subscribe({ channels: ['view:a'] }).close();
    world.pass(9_000);
    expect(client.connection.status).toBe('open');
  });

  it('ends a while after the last subscription, unless another one comes', () => {
    const { world, client, subscription } = connected();
    subscription.close();
    world.pass(4_999);
    const next = client.subscribe({ channels: ['view:b'] });
    world.pass(5_000);
    expect(world.socket.closed).toBe(false);
    expect(world.sockets).toHaveLength(1);
    next.close();
    world.pass(5_000);
    expect(world.socket.closed).toBe(true);
    expect(client.connection.status).toBe('idle');
  });

  it('does not listen to a connection that was replaced', () => {
    const { world, channel, sub } = connected();
    const old = world.socket;
    const receive = old.onmessage;
    old.cut();
    world.pass(2_000);
    receive?.({ data: JSON.stringify(frame(sub, 'x', [{ channel: 'view:a', snapshot: keyedSnapshot({}) }])) });
    expect(channel.loaded).toBe(false);
  });
});

describe('the measured latency', () => {
  it('is the time from acceptance to paint, by the clock that the quickest pong told', () => {
    const world = new FakeWorld();
    const client = new PulseClient({ url, environment: world, share: false });
    client.subscribe({ channels: ['view:a'] });
    const ahead_ms = 5_000;
    const serverNow_us = () => (world.now() + ahead_ms) * 1_000;
    world.socket.open();
    world.pass(2);
    const told_us = serverNow_us();
    world.pass(2);
    world.socket.say({ type: 'pong', time: told_us });
    const sub = world.socket.accept();
    const snapshot = keyedSnapshot({ x: ['x', 1, 1] });
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot }], { time: serverNow_us(), newest: 1 }));
    world.paint();
    expect(client.latency_ms).toBeNull();

    const accepted_us = serverNow_us();
    world.pass(3);
    const change = { channel: 'view:a', delta: { set: { x: { n: 2 } } } };
    world.socket.say(frame(sub, 'c2', [change], { time: serverNow_us(), newest: accepted_us }));
    world.pass(9);
    world.paint();
    expect(client.latency_ms).toBeCloseTo(12, 6);
    expect(client.serverNow_ms()).toBeCloseTo(world.now() + ahead_ms, 6);
  });

  it('leaves out what only the clock moved and what a reset brought', () => {
    const { world, client, sub } = connected();
    const snapshot = keyedSnapshot({ x: ['x', 1, 1] });
    world.socket.say(frame(sub, 'c1', [{ channel: 'view:a', snapshot }]));
    world.socket.say(frame(sub, 'c2', [{ channel: 'view:a', delta: { set: { x: { n: 2 } } } }]));
    world.socket.say(frame(sub, 'c3', [{ channel: 'view:a', snapshot, reset: 'gap' }], { newest: 5 }));
    world.paint();
    expect(client.latency_ms).toBeNull();
  });
});
