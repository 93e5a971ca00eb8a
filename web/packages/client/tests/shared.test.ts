import { describe, expect, it } from 'vitest';
import type { TailChannel } from '../src/channel';
import type { PulseClient } from '../src/client';
import type { ClientOptions } from '../src/options';
import type { Subscription } from '../src/subscription';
import { FakeWorld } from '../src/testing';
import { clientIn, held, items, shopServer } from './setUp';

interface Tab {
  readonly world: FakeWorld;
  readonly client: PulseClient;
  readonly view: Subscription;
  readonly tail: Subscription;
}

function openTab(world: FakeWorld, options: Partial<ClientOptions> = {}): Tab {
  const client = clientIn(world, { share: true, ...options });
  const view = client.subscribe({ channels: ['view:a'] });
  const tail = client.subscribe({ channels: ['stream:s'] });
  return { world, client, view, tail };
}

/** So many tabs of one browser, all following the same. */
async function tabs(count: number, options: Partial<ClientOptions> = {}) {
  const server = shopServer();
  const first = new FakeWorld({ server });
  const all: Tab[] = [];
  for (let index = 0; index < count; index += 1) {
    all.push(openTab(index === 0 ? first : first.tab(), options));
    await first.advance(50);
  }
  return { server, first, all };
}

describe('tabs of one browser', () => {
  it('share one connection, on which an equal view is asked for by the leader and once for all others', async () => {
    const { server, first, all } = await tabs(10);
    expect(server.open()).toBe(1);
    // The leader's view, that of the nine others, and ten tails.
    expect(server.subscriptions).toBe(12);
    server.set('view:a', 'x', { n: 2 });
    server.append('stream:s', [1]);
    await first.advance(20);
    expect(all.map(({ view }) => held(view))).toEqual(all.map(() => ({ x: 2 })));
    expect(all.map(({ tail }) => items(tail))).toEqual(all.map(() => [1]));
    expect(all.map(({ client }) => client.connection)).toEqual(
      all.map(() => ({ status: 'open', transport: 'websocket' })),
    );
  });

  it('share one stream where only SSE gets through', async () => {
    const server = shopServer();
    const first = new FakeWorld({ server });
    const worlds = [first, ...Array.from({ length: 9 }, () => first.tab())];
    const views = worlds.map((world) =>
      clientIn(world, { share: true, transport: 'sse' }).subscribe({ channels: ['view:a'] }),
    );
    await first.advance(500);
    expect(server.open('sse')).toBe(2);
    server.set('view:a', 'x', { n: 3 });
    await first.advance(20);
    expect(views.map(held)).toEqual(views.map(() => ({ x: 3 })));
  });

  it('give a late one the whole picture, at the position of the others', async () => {
    const { server, first, all } = await tabs(2);
    server.set('view:a', 'y', { k: 'y', n: 7 });
    server.remove('view:a', 'x');
    await first.advance(20);
    const before = server.subscriptions;
    const late = openTab(first.tab());
    await first.advance(50);
    expect(held(late.view)).toEqual({ y: 7 });
    expect(late.view.status).toBe('active');
    expect(late.view.position).toBe(all[1]?.view.position);
    expect(server.subscriptions).toBe(before + 1);
  });

  it('ask for alerts once, and a late one has those that were, each once, also when the leader crashes', async () => {
    const server = shopServer();
    server.stream('alerts', [{ name: 'n', type: 'int' }]);
    const first = new FakeWorld({ server });
    const worlds = [first, first.tab()];
    const follow = (world: FakeWorld) => clientIn(world, { share: true }).subscribe({ channels: ['alerts'] });
    const all = worlds.map(follow);
    await first.advance(50);
    expect(server.subscriptions).toBe(1);
    server.append('alerts', [1]);
    await first.advance(20);
    const late = follow(first.tab());
    await first.advance(50);
    expect(server.subscriptions).toBe(1);
    first.crash();
    server.append('alerts', [2]);
    await worlds[1]?.advance(500);
    for (const each of [...all.slice(1), late]) {
      expect((each.channel('alerts') as TailChannel).tail.rows.map(([n]) => n)).toEqual([1, 2]);
    }
  });

  it('go on without a loss when the leading one crashes', async () => {
    const { server, first, all } = await tabs(4);
    server.append('stream:s', [1]);
    await first.advance(20);
    all[0]?.world.crash();
    server.append('stream:s', [2]);
    server.set('view:a', 'x', { n: 5 });
    await first.advance(500);
    const rest = all.slice(1);
    expect(rest.map(({ tail }) => items(tail))).toEqual(rest.map(() => [1, 2]));
    expect(rest.map(({ view }) => held(view))).toEqual(rest.map(() => ({ x: 5 })));
    expect(server.open()).toBe(1);
  });

  it('go on when the leading one closes its client', async () => {
    const { server, first, all } = await tabs(3);
    all[0]?.client.close();
    server.append('stream:s', [1]);
    await first.advance(500);
    expect(all.slice(1).map(({ tail }) => items(tail))).toEqual([[1], [1]]);
    expect(server.open()).toBe(1);
    expect(server.subscriptions).toBe(4);
  });

  it('are forgotten with what they followed, also when they crash', async () => {
    const { server, first, all } = await tabs(3);
    expect(server.subscriptions).toBe(5);
    all[1]?.world.crash();
    await first.advance(10);
    expect(server.subscriptions).toBe(4);
    all[2]?.client.close();
    await first.advance(10);
    expect(server.subscriptions).toBe(2);
  });

  it('see the same losses and come back together', async () => {
    const { server, first, all } = await tabs(3);
    server.restart(600);
    await first.advance(10);
    expect(all.map(({ client }) => client.connection.status)).toEqual(['waiting', 'waiting', 'waiting']);
    server.set('view:a', 'x', { n: 8 });
    server.start();
    await first.advance(700);
    expect(all.map(({ view }) => held(view))).toEqual([{ x: 8 }, { x: 8 }, { x: 8 }]);
    expect(server.open()).toBe(1);
  });

  it('may each try at once, and the connection ends when none wants it', async () => {
    const { server, first, all } = await tabs(2);
    server.stop();
    await first.advance(60_000);
    server.start();
    all[1]?.client.retryNow();
    await first.advance(10);
    expect(all[1]?.client.connection.status).toBe('open');
    for (const { view, tail } of all) {
      view.close();
      tail.close();
    }
    await first.advance(5_100);
    expect(server.open()).toBe(0);
    expect(all[1]?.client.connection).toEqual({ status: 'idle' });
  });

  it('pause and resume each for itself', async () => {
    const { server, first, all } = await tabs(3);
    all[2]?.view.pause();
    all[2]?.tail.pause();
    await first.advance(10);
    server.set('view:a', 'x', { n: 4 });
    server.append('stream:s', [1]);
    await first.advance(10);
    expect(all.map(({ view }) => held(view))).toEqual([{ x: 4 }, { x: 4 }, { x: 1 }]);
    all[2]?.view.resume();
    all[2]?.tail.resume();
    await first.advance(10);
    expect(all.map(({ view }) => held(view))).toEqual([{ x: 4 }, { x: 4 }, { x: 4 }]);
    expect(all.map(({ tail }) => items(tail))).toEqual([[1], [1], [1]]);
  });

  it('hear of a refused channel like the first', async () => {
    const { first, all } = await tabs(2);
    const asked = all.map(({ client }) => client.subscribe({ channels: ['view:nope'] }));
    await first.advance(10);
    const late = openTab(first.tab()).client.subscribe({ channels: ['view:nope'] });
    await first.advance(20);
    expect([...asked, late].map(({ status }) => status)).toEqual(['failed', 'failed', 'failed']);
  });

  it('know the clock of the server from the one that leads', async () => {
    const { all } = await tabs(2);
    expect(all[1]?.client.clockOffset_ms).not.toBeNull();
  });

  it('of different users or servers do not share', async () => {
    const server = shopServer();
    const first = new FakeWorld({ server });
    openTab(first, { share: 'anna' });
    openTab(first.tab(), { share: 'bert' });
    openTab(first.tab(), { share: 'anna' });
    openTab(first.tab(), { share: 'anna', transport: 'sse' });
    openTab(first.tab(), { token: () => 'secret', ...{ share: false } });
    await first.advance(100);
    expect(server.open('websocket')).toBe(3);
  });
});

describe('a tab whose leader is silent', () => {
  it('makes a connection of its own, and goes back when the leader speaks', async () => {
    const { server, first, all } = await tabs(2);
    const leader = all[0]?.world;
    // It hears nothing and says nothing, but holds the lock: a page that hangs.
    const wasBus = server.open();
    expect(wasBus).toBe(1);
    const heard = leader?.freeze() ?? (() => {});
    await first.advance(20_000);
    expect(server.open()).toBe(2);
    server.set('view:a', 'x', { n: 6 });
    server.append('stream:s', [1]);
    await first.advance(20);
    expect(held(all[1]?.view as Subscription)).toEqual({ x: 6 });
    heard();
    // What the leader still says to the tab as it was before must not pass for an answer.
    const sent = [1];
    for (let n = 2; n < 20; n += 1) {
      server.append('stream:s', [n]);
      sent.push(n);
      await first.advance(500);
    }
    expect(server.open()).toBe(1);
    expect(items(all[1]?.tail as Subscription)).toEqual(sent);
  });
});

describe('a page that may hold no lock', () => {
  it('has its own connection at once', async () => {
    const server = shopServer();
    const first = new FakeWorld({ server });
    first.locks = { request: () => Promise.reject(new Error('SecurityError')) };
    const { view } = openTab(first);
    await first.advance(10);
    expect(held(view)).toEqual({ x: 1 });
  });
});

describe('where tabs cannot talk to each other', () => {
  it('each has its own connection', async () => {
    const server = shopServer();
    const first = new FakeWorld({ server });
    const second = first.tab();
    for (const world of [first, second]) {
      world.openBus = null;
      openTab(world);
    }
    await first.advance(100);
    expect(server.open()).toBe(2);
  });
});
