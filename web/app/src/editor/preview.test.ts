import { type Column, type KeyedChannel, PulseClient } from '@pulseboard/client';
import { FakeServer, FakeWorld } from '@pulseboard/client/testing';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../shared/apiError';
import { PAUSE_MS, Preview, type PreviewQuery } from './preview';

const COLUMNS: readonly Column[] = [{ name: 'n', type: 'int' }];

/** A preview over a real client and a server in memory; queries answer as `asked` says. */
function open() {
  const server = new FakeServer();
  for (const [channel, n] of [
    ['sql:one', 1],
    ['sql:two', 2],
    ['view:b.a', 0],
  ] as const) {
    server.view(channel, COLUMNS);
    server.set(channel, 'x', { n });
  }
  const world = new FakeWorld({ server });
  const client = new PulseClient({ url: 'http://pulse.test/api/v1/', environment: world, share: false });
  const asked: string[] = [];
  const preview = new Preview({
    ask: async ({ sql }) => {
      asked.push(sql);
      if (sql.startsWith('bad')) {
        throw new ApiError('bad_sql', `no such thing: ${sql}`, { line: 1, column: 4 });
      }
      return `sql:${sql}`;
    },
    subscribe: (channel) => client.subscribe({ channels: [channel] }),
    after: (delay_ms, call) => world.after(delay_ms, call),
  });
  const shown = () => {
    const { shown } = preview.state;
    const channel = shown?.subscription.channel(shown.channel) as KeyedChannel | undefined;
    return [...(channel?.table.rows() ?? [])].map(([, [n]]) => n);
  };
  const query = (sql: string): { query: PreviewQuery } => ({ query: { sql, timezone: 'UTC', params: {} } });
  return { server, world, preview, asked, shown, query };
}

describe('a preview', () => {
  it('shows a query that was saved at once and one that is typed after a pause', async () => {
    const { world, preview, asked, shown, query } = open();
    preview.show({ channel: 'view:b.a' });
    await world.advance(1_000);
    expect(shown()).toEqual([0]);
    preview.show(query('one'));
    await world.advance(PAUSE_MS - 1);
    expect(asked).toEqual([]);
    await world.advance(1_000);
    expect(asked).toEqual(['one']);
    expect(shown()).toEqual([1]);
    expect(preview.state.behind).toBe(false);
  });

  it('asks once for many strokes', async () => {
    const { world, preview, asked, query } = open();
    preview.show({ channel: 'view:b.a' });
    for (const sql of ['t', 'tw', 'two']) {
      preview.show(query(sql));
      await world.advance(PAUSE_MS / 2);
    }
    await world.advance(1_000);
    expect(asked).toEqual(['two']);
  });

  it('keeps the old picture while the query is wrong, says why, and it stays live', async () => {
    const { server, world, preview, shown, query } = open();
    preview.show(query('one'));
    await world.advance(1_000);
    preview.show(query('bad'));
    await world.advance(1_000);
    expect(preview.state.problem).toMatchObject({ message: 'no such thing: bad', place: { line: 1, column: 4 } });
    expect(preview.state.behind).toBe(true);
    server.set('sql:one', 'x', { n: 7 });
    await world.advance(1_000);
    expect(shown()).toEqual([7]);
    preview.show(query('two'));
    await world.advance(1_000);
    expect(preview.state.problem).toBeNull();
    expect(shown()).toEqual([2]);
  });

  it('never goes over to a query that has nothing to show yet', async () => {
    const { server, world, preview, shown, query } = open();
    preview.show(query('one'));
    await world.advance(1_000);
    server.stop();
    preview.show(query('two'));
    await world.advance(1_000);
    expect(shown()).toEqual([1]);
    server.start();
    await world.advance(60_000);
    world.paint();
    expect(shown()).toEqual([2]);
  });
});
