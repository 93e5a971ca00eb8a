/** The client package itself, as a Node program has it, against the real server: every transport, cuts and kills. */

import assert from 'node:assert/strict';
import { PulseClient, platformEnvironment } from '@pulseboard/client';
import { WebSocket } from 'ws';
import { BlockingProxy } from './proxy.mjs';
import { within } from './wait.mjs';

const COME_MS_MAX = 15_000;
const RECOVER_MS_MAX = 20_000;
const EVENTS = 40;

/** Node has a WebSocket of its own only since version 22. */
const environment = { ...platformEnvironment(), openSocket: (url) => new WebSocket(url) };

let streams = 0;

/** A stream of its own, a live query over it, and the tail of it. */
async function prepare(server, url, options = {}) {
  streams += 1;
  const stream = `e2e_node_${streams}`;
  await server.post(stream, { k: 'begin', n: 0 });
  const sql = `SELECT k, count(*) AS n, sum(n) AS total FROM ${stream} GROUP BY k`;
  const api = `${server.url}/api/v1`;
  const channel = (await ask(`${api}/live/queries`, { sql })).channel;
  const poll = { min_ms: 100, max_ms: 200, wait_ms: 2_000 };
  const climb = { first_ms: 300, cap_ms: 1_000 };
  const client = new PulseClient({ url: `${url}/api/v1/`, environment, poll, climb, ...options });
  const view = client.subscribe({ channels: [channel] });
  const tail = client.subscribe({ channels: [`stream:${stream}`], last: 1 });
  const items = () => {
    const { columns, rows } = tail.channel(`stream:${stream}`).tail;
    return rows.map((row) => row[columns.findIndex(({ name }) => name === 'n')]);
  };
  const rows = () => [...view.channel(channel).table.rows()].map(([, row]) => row.map(String)).sort();
  await within(COME_MS_MAX, 'the first rows', () => rows().length > 0 && items().length > 0);
  const truth = async () => (await ask(`${api}/query`, { sql })).rows.map((row) => row.map(String)).sort();
  /** The view equals the batch answer, and every item of the tail came once, in order. */
  const settled = async (count) => {
    await within(RECOVER_MS_MAX, `${count} items`, () => items().length >= count + 1);
    assert.deepEqual(
      items(),
      Array.from({ length: count + 1 }, (_, n) => n),
    );
    assert.deepEqual(tail.channel(`stream:${stream}`).tail.gaps, []);
    const expected = JSON.stringify(await truth());
    await within(RECOVER_MS_MAX, 'the view to equal the batch answer', () => JSON.stringify(rows()) === expected);
  };
  return { stream, client, settled };
}

async function ask(url, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.ok(response.ok, `${url}: ${response.status}`);
  return response.json();
}

function event(n) {
  return { k: `key ${n % 5}`, n };
}

export const nodeTests = {
  async 'in Node, every transport ends in the same state, over cuts too'({ server }) {
    const proxy = await BlockingProxy.create(server);
    for (const transport of await server.transports()) {
      const { stream, client, settled } = await prepare(server, proxy.url, { transport });
      assert.deepEqual(client.connection, { status: 'open', transport });
      for (let n = 1; n <= EVENTS; n += 1) {
        await server.post(stream, event(n));
        if (n % 20 === 0) {
          proxy.block('api');
          proxy.unblock('api');
        }
      }
      await settled(EVENTS);
      client.close();
    }
    await proxy.close();
  },

  async 'in Node, a client that is driven down and back up loses and doubles nothing'({ server }) {
    const proxy = await BlockingProxy.create(server);
    const { stream, client, settled } = await prepare(server, proxy.url);
    const transports = await server.transports();
    const over = new Set();
    const note = () => client.connection.status === 'open' && over.add(client.connection.transport);
    client.onConnection(note);
    note();
    let n = 0;
    const postUntil = async (what, condition) => {
      await within(RECOVER_MS_MAX, what, async () => {
        n += 1;
        await server.post(stream, event(n));
        return condition();
      });
    };
    const isOver = (kind) => () => client.connection.status === 'open' && client.connection.transport === kind;
    for (const [rank, kind] of transports.entries()) {
      proxy.block(...transports.slice(0, rank));
      await postUntil(`a connection over ${kind}`, isOver(kind));
    }
    for (const kind of [...transports].reverse().slice(1)) {
      proxy.unblock(kind);
      await postUntil(`the climb to ${kind}`, isOver(kind));
    }
    await settled(n);
    assert.deepEqual([...over].sort(), [...transports].sort());
    client.close();
    await proxy.close();
  },

  async 'in Node, what is published while the server is killed and restarted is written once, in order'({ server }) {
    const { stream, client, settled } = await prepare(server, server.url);
    const acks = [];
    for (let n = 1; n <= EVENTS; n += 1) {
      acks.push(client.publish(stream, event(n)));
      if (n === EVENTS / 2) {
        await within(COME_MS_MAX, 'some to be written', () => client.outbox.entries < EVENTS / 4);
        await server.stop('SIGKILL');
      }
    }
    assert.ok(client.outbox.entries > 0);
    await server.start();
    const accepted = (await Promise.all(acks)).reduce((sum, ack) => sum + ack.accepted, 0);
    assert.equal(accepted, EVENTS);
    await settled(EVENTS);
    client.close();
  },
};
