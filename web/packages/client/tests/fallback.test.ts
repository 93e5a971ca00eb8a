import { describe, expect, it } from 'vitest';
import { TRANSPORTS, type TransportKind } from '../src/machine';
import { FakeWorld } from '../src/testing';
import { clientIn, following, held, items, shopServer } from './setUp';

const block =
  (...kinds: TransportKind[]) =>
  (server: ReturnType<typeof shopServer>) => {
    for (const kind of kinds) {
      server.block(kind);
    }
  };

describe('each transport', () => {
  for (const [rank, transport] of TRANSPORTS.entries()) {
    it(`brings the same state when pinned: ${transport}`, async () => {
      const { server, world, client, subscription } = await following(undefined, { transport });
      expect(client.connection).toEqual({ status: 'open', transport });
      expect(held(subscription)).toEqual({ x: 1 });
      server.set('view:a', 'y', { k: 'y', n: 5 });
      server.set('view:a', 'x', { n: 2 });
      server.remove('view:a', 'y');
      await world.advance(6_000);
      expect(held(subscription)).toEqual({ x: 2 });
    });

    it(`is reached when those above are blocked: ${transport}`, async () => {
      const { world, client, subscription } = await following(block(...TRANSPORTS.slice(0, rank)));
      await world.advance(5_000);
      expect(client.connection).toMatchObject({ status: 'open', transport });
      expect(held(subscription)).toEqual({ x: 1 });
    });

    it(`resumes a tail where it was lost, over ${transport}`, async () => {
      const server = shopServer();
      const world = new FakeWorld({ server });
      const subscription = clientIn(world, { transport }).subscribe({ channels: ['stream:s'] });
      await world.advance(1_000);
      server.append('stream:s', [1]);
      server.append('stream:s', [2]);
      await world.advance(6_000);
      server.stop();
      await world.advance(500);
      server.append('stream:s', [3]);
      server.start();
      server.append('stream:s', [4]);
      await world.advance(20_000);
      expect(items(subscription)).toEqual([1, 2, 3, 4]);
    });
  }
});

describe('a proxy that holds what it does not like', () => {
  it('is passed after the time for opening', async () => {
    const { world, client } = await following((server) => server.block('websocket', 'hang'));
    expect(client.connection).toMatchObject({ status: 'connecting', transport: 'websocket' });
    await world.advance(6_000);
    expect(client.connection).toEqual({ status: 'open', transport: 'sse' });
  });

  it('is passed when it swallows streams, too', async () => {
    const { world, client } = await following((server) => {
      server.block('websocket');
      server.block('sse', 'hang');
    });
    await world.advance(12_000);
    expect(client.connection).toEqual({ status: 'open', transport: 'longpoll' });
  });
});

describe('climbing back', () => {
  it('takes over without a gap in the state or a lost item', async () => {
    const server = shopServer();
    server.block('websocket');
    const world = new FakeWorld({ server });
    const client = clientIn(world);
    const view = client.subscribe({ channels: ['view:a'] });
    const tail = client.subscribe({ channels: ['stream:s'] });
    const states: string[] = [];
    await world.advance(1_000);
    expect(client.connection).toEqual({ status: 'open', transport: 'sse' });
    client.onConnection((state) => states.push(state.status === 'open' ? state.transport : state.status));
    server.unblock('websocket');
    for (let n = 1; n <= 100; n += 1) {
      server.append('stream:s', [n]);
      server.set('view:a', 'x', { n });
      await world.advance(100);
    }
    expect(states).toEqual(['websocket']);
    expect(server.open('sse')).toBe(0);
    expect(items(tail)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(held(view)).toEqual({ x: 100 });
  });

  it('goes to the next better one where the best stays blocked', async () => {
    const { server, world, client } = await following(block('websocket', 'sse', 'longpoll'));
    await world.advance(3_000);
    expect(client.connection).toEqual({ status: 'open', transport: 'poll' });
    server.unblock('sse');
    await world.advance(20_000);
    expect(client.connection).toEqual({ status: 'open', transport: 'sse' });
    expect(server.open('websocket')).toBe(0);
  });

  it('does not disturb the open connection while it fails', async () => {
    const { server, world, client, subscription } = await following(block('websocket'));
    const states: string[] = [];
    client.onConnection(({ status }) => states.push(status));
    await world.advance(120_000);
    server.set('view:a', 'x', { n: 9 });
    await world.advance(10);
    expect(held(subscription)).toEqual({ x: 9 });
    expect(states).toEqual([]);
    // 5, 10, 20, 40 … s apart, not every few seconds.
    expect(world.sockets.length).toBeLessThan(8);
  });
});

describe('what worked here', () => {
  it('is tried first at the next visit', async () => {
    const { server, world, client } = await following(block('websocket', 'sse'));
    await world.advance(40_000);
    expect(client.connection).toEqual({ status: 'open', transport: 'longpoll' });
    client.close();
    const next = world.tab();
    clientIn(next).subscribe({ channels: ['view:a'] });
    await next.advance(300);
    expect(next.sockets).toHaveLength(0);
    expect(server.open('longpoll')).toBe(1);
  });

  it('is not learnt from a pinned client', async () => {
    const { world, client } = await following(undefined, { transport: 'poll' });
    await world.advance(60_000);
    client.close();
    const next = world.tab();
    clientIn(next).subscribe({ channels: ['view:a'] });
    await next.advance(10);
    expect(next.sockets).toHaveLength(1);
  });

  it('is forgotten after a day, and another memory can be given', async () => {
    const { world, client } = await following(block('websocket'));
    await world.advance(30_000);
    client.close();
    world.pass(25 * 3_600_000);
    const texts = new Map<string, string>();
    const memory = {
      getItem: (name: string) => texts.get(name) ?? null,
      setItem: (name: string, value: string) => void texts.set(name, value),
    };
    const next = world.tab();
    clientIn(next, { memory }).subscribe({ channels: ['view:a'] });
    await next.advance(30_000);
    expect(next.sockets.length).toBeGreaterThan(0);
    expect([...texts]).toEqual([[expect.stringContaining('http://pulse.test/'), expect.stringMatching(/^sse \d+$/)]]);
  });
});

describe('over HTTP', () => {
  it('a refused channel is named and the others proceed', async () => {
    for (const transport of ['sse', 'longpoll', 'poll'] as const) {
      const server = shopServer();
      const world = new FakeWorld({ server });
      const client = clientIn(world, { transport });
      const subscription = client.subscribe({ channels: ['view:nope', 'view:a'] });
      await world.advance(1_000);
      expect(subscription.errors.get('view:nope')?.code).toBe('unknown_view');
      expect(held(subscription)).toEqual({ x: 1 });
      const alone = client.subscribe({ channels: ['view:nope'] });
      await world.advance(100);
      expect(alone.status).toBe('failed');
      expect(client.connection.status).toBe('open');
    }
  });

  it('no more than four requests are held, and what is beyond still comes', async () => {
    const server = shopServer();
    const world = new FakeWorld({ server });
    const client = clientIn(world, { transport: 'sse' });
    const all = Array.from({ length: 7 }, () => client.subscribe({ channels: ['view:a'] }));
    await world.advance(1_000);
    expect(server.open('sse')).toBe(4);
    server.set('view:a', 'x', { n: 7 });
    await world.advance(1_200);
    expect(all.map(held)).toEqual(all.map(() => ({ x: 7 })));
  });

  it('a poll asks less and less often while nothing changes, and at once when the page is seen again', async () => {
    const { server, world, subscription } = await following(undefined, { transport: 'poll' });
    const polls = () => world.requests.filter(({ url }) => url.pathname.endsWith('/poll')).length;
    await world.advance(5_000);
    const before = polls();
    await world.advance(300_000);
    expect(polls() - before).toBeLessThan(9);
    server.set('view:a', 'x', { n: 3 });
    world.wake();
    await world.advance(10);
    expect(held(subscription)).toEqual({ x: 3 });
  });

  it('a long poll is one request per wait while nothing changes', async () => {
    const { world } = await following(undefined, { transport: 'longpoll' });
    const before = world.requests.length;
    await world.advance(100_000);
    expect(world.requests.length - before).toBeLessThanOrEqual(5);
  });

  it('without a subscription, the health of the server says that the way is open', async () => {
    const world = new FakeWorld({ server: shopServer() });
    const client = clientIn(world, { transport: 'sse' });
    client.connect();
    await world.advance(10);
    expect(world.request.url.pathname).toBe('/health/live');
    expect(client.connection).toEqual({ status: 'open', transport: 'sse' });
  });

  it('a stream is given up after two missed heartbeats, and kept by them', async () => {
    const { server, world, client } = await following(block('websocket'));
    await world.advance(100_000);
    expect(client.connection).toEqual({ status: 'open', transport: 'sse' });
    // What held the stream goes silent: nothing comes, and nothing ends.
    const stream = world.requests.filter(({ url }) => url.pathname.endsWith('/sse')).find(({ aborted }) => !aborted);
    if (stream !== undefined) {
      stream.event = () => {};
      stream.text = () => {};
    }
    server.block('longpoll');
    await world.advance(45_000);
    expect(stream?.aborted).toBe(true);
  });

  it('comes back after as long as a restarting server says', async () => {
    for (const transport of ['websocket', 'sse', 'longpoll'] as const) {
      const { server, world, client } = await following(undefined, { transport });
      server.restart(700);
      await world.advance(0);
      expect(client.connection).toMatchObject({ status: 'waiting', reason: 'restart', retry_at_ms: world.now() + 700 });
      server.start();
      await world.advance(1_710);
      expect(client.connection.status).toBe('open');
    }
  });
});

describe('where there is no WebSocket', () => {
  it('it is not tried', async () => {
    const world = new FakeWorld({ server: shopServer() });
    world.openSocket = null;
    const client = clientIn(world);
    client.subscribe({ channels: ['view:a'] });
    await world.advance(100);
    expect(client.connection).toEqual({ status: 'open', transport: 'sse' });
  });
});
