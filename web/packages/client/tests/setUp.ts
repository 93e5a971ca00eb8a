/** A fake server with a view and a stream, and clients in tabs of one browser. */

import type { KeyedChannel, TailChannel } from '../src/channel';
import { PulseClient } from '../src/client';
import type { ClientOptions } from '../src/options';
import type { Subscription } from '../src/subscription';
import { FakeServer, FakeWorld } from '../src/testing';

export const URL_OF_API = 'http://pulse.test/api/v1/';

export function shopServer(): FakeServer {
  const server = new FakeServer();
  server.view('view:a', [
    { name: 'k', type: 'string', key: true },
    { name: 'n', type: 'int' },
  ]);
  server.stream('stream:s', [{ name: 'n', type: 'int' }]);
  server.set('view:a', 'x', { k: 'x', n: 1 });
  return server;
}

export function clientIn(world: FakeWorld, options: Partial<ClientOptions> = {}): PulseClient {
  return new PulseClient({ url: URL_OF_API, environment: world, share: false, ...options });
}

/** One tab with a connection of its own that follows `view:a`, a second into its life. */
export async function following(
  prepare: (server: FakeServer) => void = () => {},
  options: Partial<ClientOptions> = {},
) {
  const server = shopServer();
  prepare(server);
  const world = new FakeWorld({ server });
  const client = clientIn(world, options);
  const subscription = client.subscribe({ channels: ['view:a'] });
  await world.advance(1_000);
  return { server, world, client, subscription, table: tableOf(subscription) };
}

export function tableOf(subscription: Subscription, channel = 'view:a') {
  return (subscription.channel(channel) as KeyedChannel).table;
}

export function tailOf(subscription: Subscription, channel = 'stream:s') {
  return (subscription.channel(channel) as TailChannel).tail;
}

/** What a table holds, by key. */
export function held(subscription: Subscription): Record<string, unknown> {
  return Object.fromEntries([...tableOf(subscription).rows()].map(([key, [, n]]) => [key, n]));
}

/** The first cell of each item of a tail. */
export function items(subscription: Subscription): unknown[] {
  return tailOf(subscription).rows.map(([n]) => n);
}
