import { describe, expect, it } from 'vitest';
import type { PulseClient } from '../src/client';
import { FakeWorld } from '../src/testing';
import { clientIn, following, shopServer } from './setUp';

/** What became of a promise so far. */
function watch<T>(promise: Promise<T>) {
  const seen: { value?: T; code?: string } = {};
  promise.then(
    (value) => {
      seen.value = value;
    },
    (error: { code: string }) => {
      seen.code = error.code;
    },
  );
  return seen;
}

describe('publishing', () => {
  it('writes in order, each with a key of its own', async () => {
    const { server, world, client } = await following();
    const acks = [client.publish('orders', { n: 1 }), client.publish('orders', [{ n: 2 }, { n: 3 }], 'mine')].map(
      watch,
    );
    await world.advance(10);
    expect(server.published).toEqual([
      { stream: 'orders', events: { n: 1 }, key: expect.stringMatching(/.{8,}/) },
      { stream: 'orders', events: [{ n: 2 }, { n: 3 }], key: 'mine' },
    ]);
    expect(acks.map(({ value }) => value?.accepted)).toEqual([1, 2]);
    expect(client.outbox).toEqual({ entries: 0, bytes: 0, refused: 0, dropped: 0 });
  });

  it('waits while the server is away, keeps the order, and goes on as soon as the connection stands', async () => {
    const { server, world, client } = await following();
    server.stop();
    const acks = [1, 2, 3].map((n) => watch(client.publish('orders', { n })));
    await world.advance(30_000);
    expect(client.outbox.entries).toBe(3);
    server.start();
    client.retryNow();
    await world.advance(20);
    expect(server.published.map(({ events }) => events)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(acks.every(({ value }) => value?.accepted === 1)).toBe(true);
  });

  it('retries under the same key when an answer was lost, so that nothing is written twice', async () => {
    const { server, world, client } = await following();
    server.failPublishes = 3;
    const ack = watch(client.publish('orders', { n: 1 }));
    await world.advance(10_000);
    expect(ack.value?.accepted).toBe(1);
    const keys = world.requests.map(({ headers }) => headers.get('idempotency-key')).filter((key) => key !== null);
    expect(keys).toHaveLength(4);
    expect(new Set(keys).size).toBe(1);
    expect(server.published).toHaveLength(1);
  });

  it('says what was refused, and goes on with the next', async () => {
    const world = new FakeWorld();
    const client = clientIn(world);
    const refused = watch(client.publish('orders', { n: 'x' }));
    const next = watch(client.publish('orders', { n: 1 }));
    await world.advance(0);
    world.request.json({ error: { code: 'no_valid_rows', message: 'no row was valid' } }, 422);
    await world.advance(0);
    expect(refused.code).toBe('no_valid_rows');
    world.request.json({ accepted: 1, rejected: 0, errors: [], position: 'p' });
    await world.advance(0);
    expect(next.value?.position).toBe('p');
  });

  it('at the bound refuses the new by default', async () => {
    const client = clientIn(new FakeWorld(), { outbox: { entries_max: 2 } });
    const all = [1, 2, 3].map((n) => watch(client.publish('orders', { n })));
    await Promise.resolve();
    expect(all.map(({ code }) => code)).toEqual([undefined, undefined, 'outbox_full']);
    expect(client.outbox).toMatchObject({ entries: 2, refused: 1, dropped: 0 });
  });

  it('at the bound drops the oldest if told so, but never what is on its way', async () => {
    const client = clientIn(new FakeWorld(), { outbox: { bytes_max: 20, full: 'drop_oldest' } });
    const all = [1, 2, 3].map((n) => watch(client.publish('orders', { n })));
    await Promise.resolve();
    expect(all.map(({ code }) => code)).toEqual([undefined, 'dropped', undefined]);
    expect(client.outbox).toEqual({ entries: 2, bytes: 14, refused: 0, dropped: 1 });
    const large = watch(client.publish('orders', { text: 'more than twenty bytes' }));
    await Promise.resolve();
    expect(large.code).toBe('outbox_full');
  });

  it('does not try again when the server may have forgotten the key', async () => {
    const { server, world, client } = await following();
    server.stop();
    const ack = watch(client.publish('orders', { n: 1 }));
    await world.advance(9 * 60_000 + 30_000);
    expect(ack.code).toBe('uncertain');
    expect(client.outbox.entries).toBe(0);
  });

  it('ends with the client', async () => {
    const { server, world, client } = await following();
    server.stop();
    const ack = watch(client.publish('orders', { n: 1 }));
    client.close();
    await world.advance(0);
    expect(ack.code).toBe('closed');
  });
});

describe('the circuit breaker', () => {
  const fail = async (world: FakeWorld, client: PulseClient) => {
    const asked = watch(client.request('streams'));
    await world.advance(5);
    return asked.code;
  };

  it('stops requests after five failures, lets one try after ten seconds, and closes when it succeeds', async () => {
    const server = shopServer();
    const world = new FakeWorld({ server });
    const client = clientIn(world);
    server.stop();
    const codes = [];
    for (let n = 0; n < 6; n += 1) {
      codes.push(await fail(world, client));
    }
    expect(codes).toEqual(['offline', 'offline', 'offline', 'offline', 'offline', 'breaker_open']);
    expect(client.breaker).toBe('open');
    await world.advance(10_000);
    expect(await fail(world, client)).toBe('offline');
    expect(await fail(world, client)).toBe('breaker_open');
    await world.advance(10_000);
    server.start();
    const [first, second] = [watch(client.request('streams')), watch(client.request('streams'))];
    expect(client.breaker).toBe('open');
    await world.advance(5);
    expect([first.value, second.code]).toEqual([{}, 'breaker_open']);
    expect(client.breaker).toBe('closed');
  });

  it('never keeps the connection from coming back, which closes it', async () => {
    const { server, world, client } = await following();
    server.stop();
    await world.advance(1);
    for (let n = 0; n < 6; n += 1) {
      await fail(world, client);
    }
    expect(client.breaker).toBe('open');
    server.start();
    await world.advance(2_000);
    expect(client.connection.status).toBe('open');
    expect(client.breaker).toBe('closed');
  });

  it('does not count what the page gave up, nor what the server refused', async () => {
    const world = new FakeWorld();
    const client = clientIn(world, { breaker: { failures_max: 1 } });
    const abort = new AbortController();
    const asked = client.request('streams', { signal: abort.signal });
    await world.advance(0);
    abort.abort(new Error('changed its mind'));
    await expect(asked).rejects.toThrow();
    const refused = watch(client.range({ view: 'nope' }));
    await world.advance(0);
    world.request.json({ error: { code: 'unknown_view', message: 'there is no view `nope`' } }, 404);
    await world.advance(0);
    expect(refused.code).toBe('unknown_view');
    expect(client.breaker).toBe('closed');
  });

  it('counts a request that is not answered in time', async () => {
    const world = new FakeWorld();
    const client = clientIn(world, { breaker: { failures_max: 1 } });
    const asked = watch(client.request('streams'));
    await world.advance(30_000);
    expect(asked.code).toBe('offline');
    expect(client.breaker).toBe('open');
  });
});

describe('a token', () => {
  it('is asked for once and sent with every request', async () => {
    const server = shopServer();
    server.tokens = new Set(['t1']);
    const world = new FakeWorld({ server });
    const asked: string[] = [];
    const token = async (why: string) => {
      asked.push(why);
      return 't1';
    };
    const client = clientIn(world, { transport: 'sse', token });
    client.subscribe({ channels: ['view:a'] });
    client.publish('orders', { n: 1 });
    await world.advance(10);
    expect(client.connection.status).toBe('open');
    expect(server.published).toHaveLength(1);
    expect(asked).toEqual(['first']);
  });

  it('that is refused is replaced by another one', async () => {
    const server = shopServer();
    server.tokens = new Set(['t2']);
    const world = new FakeWorld({ server });
    const tokens = ['t1', 't2'];
    const why: string[] = [];
    const token = (reason: string) => {
      why.push(reason);
      return tokens.shift() ?? null;
    };
    const client = clientIn(world, { transport: 'longpoll', token });
    client.subscribe({ channels: ['view:a'] });
    await world.advance(1_000);
    expect(client.connection).toEqual({ status: 'open', transport: 'longpoll' });
    expect(why).toEqual(['first', 'refused']);
  });

  it('that is refused twice, or not given, closes the connection until a person asks', async () => {
    const server = shopServer();
    server.tokens = new Set(['good']);
    const world = new FakeWorld({ server });
    let given: string | null = 'bad';
    const client = clientIn(world, { transport: 'poll', token: () => given });
    client.subscribe({ channels: ['view:a'] });
    await world.advance(5_000);
    expect(client.connection).toMatchObject({ status: 'closed', reason: 'unauthorized' });
    expect(world.requests).toHaveLength(1);
    given = null;
    client.retryNow();
    await world.advance(10);
    expect(client.connection).toMatchObject({ status: 'closed', reason: 'no_token' });
    given = 'good';
    client.retryNow();
    await world.advance(10);
    expect(client.connection.status).toBe('open');
  });

  it('hook that fails is asked again with the back-off', async () => {
    const world = new FakeWorld({ server: shopServer() });
    let calls = 0;
    const token = async () => {
      calls += 1;
      if (calls < 3) {
        throw new Error('the login page is away');
      }
      return 't';
    };
    const client = clientIn(world, { token });
    client.subscribe({ channels: ['view:a'] });
    await world.advance(1);
    expect(client.connection).toMatchObject({ status: 'waiting', reason: 'no_token' });
    await world.advance(3_000);
    expect(client.connection.status).toBe('open');
  });

  it('reaches a WebSocket by the URL that the page makes of it', async () => {
    const world = new FakeWorld({ server: shopServer() });
    const socketUrl = async (url: string, token: string | null) => `${url}?ticket=of-${token}`;
    clientIn(world, { token: () => 't1', socketUrl }).subscribe({ channels: ['view:a'] });
    await world.advance(10);
    expect(world.socket.url).toBe('ws://pulse.test/api/v1/live?ticket=of-t1');
  });

  it('is exchanged for a ticket, which alone stands in the URL of a WebSocket', async () => {
    const server = shopServer();
    server.tokens = new Set(['t1']);
    const world = new FakeWorld({ server });
    const client = clientIn(world, { token: () => 't1' });
    client.subscribe({ channels: ['view:a'] });
    await world.advance(10);
    const [exchange] = world.requests;
    expect([exchange?.method, exchange?.url.pathname]).toEqual(['POST', '/api/v1/tickets']);
    expect(exchange?.headers.get('authorization')).toBe('Bearer t1');
    expect(world.socket.url).toBe('ws://pulse.test/api/v1/live?ticket=ticket-1');
    expect(client.connection).toEqual({ status: 'open', transport: 'websocket' });
  });

  it('that has ended is replaced on the open connection, and that was taken back by a new one', async () => {
    const world = new FakeWorld({ server: shopServer() });
    const tokens = ['t1', 't2', 't3'];
    const client = clientIn(world, { token: () => tokens.shift() ?? null });
    client.subscribe({ channels: ['view:a'] });
    await world.advance(10);
    const first = world.socket;
    first.say({ type: 'expired', grace_ms: 30_000 });
    await world.advance(10);
    expect(first.of('auth')).toEqual([{ type: 'auth', token: 't2' }]);
    expect(client.connection.status).toBe('open');
    first.cut(4_503, '{"reason":"revoked"}');
    await world.advance(2_000);
    expect(client.connection.status).toBe('open');
    expect(world.requests.at(-1)?.headers.get('authorization')).toBe('Bearer t3');
    expect(world.sockets).toHaveLength(2);
  });

  it('that comes after the client was closed opens nothing', async () => {
    const world = new FakeWorld({ server: shopServer() });
    const client = clientIn(world, { token: async () => 't1' });
    client.connect();
    client.close();
    await world.advance(10);
    expect(world.sockets).toHaveLength(0);
  });
});
