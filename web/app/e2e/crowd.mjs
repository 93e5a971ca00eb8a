/**
 * Many readers in one Chromium, a page that knows nothing of the client, and nginx with the shipped configuration in front.
 *
 * The clients of the crowd are of the built package, some in the page and most in this process.
 */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { PulseClient, platformEnvironment } from '@pulseboard/client';
import { WebSocket } from 'ws';
import { startNginx } from '../bench/nginx.mjs';
import { openPage, stat } from './page.mjs';
import { BlockingProxy } from './proxy.mjs';
import { within } from './wait.mjs';

const CLIENTS = 200;
/** Of them in one page: Chromium holds a page's WebSockets back for seconds once many of them have failed. */
const IN_PAGE = 10;
/** They must not all come at once. */
const SPREAD_MS_MIN = 200;
const OPEN_MS_MAX = 60_000;
const COME_MS_MAX = 20_000;
/** From when the server is ready again until the last reader is back. */
const BACK_MS_MAX = 3_000;
const OUTAGE_MS = 2_000;
const DIST = new URL('../../packages/client/dist/', import.meta.url);

/** Node has a WebSocket of its own only since version 22. */
const environment = { ...platformEnvironment(), openSocket: (url) => new WebSocket(url) };

async function ask(server, path, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${server.url}/api/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json();
}

/** So many clients of one view and one tail, each with a connection of its own. Runs in the page, too. */
function gather(PulseClient, { count, url, channel, stream }, more) {
  const name = `stream:${stream}`;
  return Array.from({ length: count }, () => {
    const client = new PulseClient({ url, share: false, memory: null, transport: 'websocket', ...more });
    const view = client.subscribe({ channels: [channel] });
    const tail = client.subscribe({ channels: [name], last: 1 });
    let opened_at = 0;
    client.onConnection(() => {
      if (client.connection.status === 'open') {
        opened_at = Date.now();
      }
    });
    const items = () => {
      const { columns, rows } = tail.channel(name).tail;
      const index = columns.findIndex((column) => column.name === 'n');
      return rows.map((row) => row[index]);
    };
    const look = () => ({
      isOpen: client.connection.status === 'open',
      opened_at,
      items: JSON.stringify(items()),
      gaps: tail.channel(name).tail.gaps.length,
      rows: JSON.stringify([...view.channel(channel).table.rows()].map(([, row]) => row.map(String)).sort()),
    });
    return { look, close: () => client.close() };
  });
}

/** Opens the crowd: most of it in this process, some in a page. */
async function openCrowd(browser, server, asked) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.route('**/e2e-client/**', async (route) => {
    const file = new URL(route.request().url()).pathname.replace('/e2e-client/', '');
    await route.fulfill({ contentType: 'text/javascript', body: await readFile(new URL(file, DIST)) });
  });
  await page.goto(`${server.url}/health/live`);
  const url = `${server.url}/api/v1/`;
  const inPage = JSON.stringify({ ...asked, url, count: IN_PAGE });
  await page.evaluate(`import('/e2e-client/index.js').then(({ PulseClient }) => {
    window.crowd = (${gather})(PulseClient, ${inPage}, {});
  })`);
  const here = gather(PulseClient, { ...asked, url, count: CLIENTS - IN_PAGE }, { environment });
  return {
    /** What each reader holds. */
    look: async () => [
      ...here.map(({ look }) => look()),
      ...(await page.evaluate('window.crowd.map(({ look }) => look())')),
    ],
    async close() {
      for (const reader of here) {
        reader.close();
      }
      await context.close();
    },
  };
}

export const crowdTests = {
  async 'two hundred readers are back within three seconds of a restart and of an outage, and hold what the server holds'({
    browser,
    server,
  }) {
    const stream = 'e2e_crowd';
    const sql = `SELECT k, count(*) AS n, sum(n) AS total FROM ${stream} GROUP BY k`;
    let posted = 0;
    const post = async (count) => {
      for (let turn = 0; turn < count; turn += 1, posted += 1) {
        await server.post(stream, { k: `key ${posted % 5}`, n: posted });
      }
    };
    await post(1);
    const { channel } = await ask(server, 'live/queries', { sql });
    const { look, close } = await openCrowd(browser, server, { channel, stream });
    const all = (holds) => async () => (await look()).every(holds);
    await within(
      OPEN_MS_MAX,
      'all to be connected',
      all(({ isOpen }) => isOpen),
    );
    await within(
      COME_MS_MAX,
      'the first item at each',
      all(({ items }) => items === '[0]'),
    );

    for (const [signal, away_ms] of [
      ['SIGTERM', 0],
      ['SIGKILL', OUTAGE_MS],
    ]) {
      await post(10);
      const left_at = Date.now();
      await server.stop(signal);
      await within(
        COME_MS_MAX,
        'all to notice',
        all(({ isOpen }) => !isOpen),
      );
      await within(COME_MS_MAX, 'the outage to be over', () => Date.now() - left_at >= away_ms);
      await server.start();
      const ready_at = Date.now();
      await within(
        COME_MS_MAX,
        `all to be back after ${signal}`,
        all(({ isOpen }) => isOpen),
      );
      const times = (await look()).map(({ opened_at }) => opened_at);
      const last_ms = Math.max(...times) - ready_at;
      const spread_ms = Math.max(...times) - Math.min(...times);
      console.log(`# ${signal}: the last of ${CLIENTS} was back after ${last_ms} ms; they came over ${spread_ms} ms`);
      assert.ok(last_ms <= BACK_MS_MAX, `the last one was back after ${last_ms} ms`);
      assert.ok(spread_ms >= SPREAD_MS_MIN, `all came back within ${spread_ms} ms of each other`);
      await post(10);
      const whole = JSON.stringify(Array.from({ length: posted }, (_, n) => n));
      await within(
        COME_MS_MAX,
        'every item once, in order, at each',
        all(({ items }) => items === whole),
      );
      const truth = (await ask(server, 'query', { sql })).rows.map((row) => row.map(String)).sort();
      const answer = JSON.stringify(truth);
      await within(
        COME_MS_MAX,
        'each view to equal the batch answer',
        all(({ rows }) => rows === answer),
      );
      assert.deepEqual(new Set((await look()).map(({ gaps }) => gaps)), new Set([0]));
    }
    await close();
  },

  async 'a page with nothing but EventSource has named events, and is back by itself within three seconds of a blip'({
    browser,
    server,
  }) {
    const stream = 'e2e_plain';
    await server.post(stream, { n: 0 });
    const proxy = await BlockingProxy.create(server);
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${proxy.url}/health/live`);
    await page.evaluate((name) => {
      window.seen = [];
      window.opened_at = [];
      const source = new EventSource(`/api/v1/live/sse?channel=stream:${name}&last=1&events=named`);
      source.onopen = () => window.opened_at.push(Date.now());
      source.addEventListener(name, ({ data }) => window.seen.push(JSON.parse(data)));
    }, stream);
    const seen = () => page.evaluate('window.seen.length');
    const opened = () => page.evaluate('window.opened_at');
    await within(COME_MS_MAX, 'the first event', async () => (await seen()) > 0);
    for (let n = 1; n <= 5; n += 1) {
      await server.post(stream, { n });
    }
    /** The numbers that came, whatever brought them. */
    const numbers = () =>
      page.evaluate(() => {
        const all = window.seen.flatMap(({ snapshot, delta }) => snapshot?.rows ?? delta?.append ?? []);
        const index = window.seen[0].snapshot.columns.findIndex(({ name }) => name === 'n');
        return all.map((row) => row[index]);
      });
    const upTo = (last) => async () => (await numbers()).length > last;
    await within(COME_MS_MAX, 'five events', upTo(5));
    proxy.block('sse');
    await server.post(stream, { n: 6 });
    const unblocked_at = Date.now();
    proxy.unblock('sse');
    await within(COME_MS_MAX, 'it to come back', async () => (await opened()).length > 1);
    const back_ms = (await opened())[1] - unblocked_at;
    assert.ok(back_ms <= BACK_MS_MAX, `it was back after ${back_ms} ms`);
    await server.post(stream, { n: 7 });
    await within(COME_MS_MAX, 'what came meanwhile and after', upTo(7));
    assert.deepEqual(
      await numbers(),
      Array.from({ length: 8 }, (_, n) => n),
    );
    await context.close();
    await proxy.close();
  },

  async 'behind nginx with the shipped configuration a board moves over WebSocket and over SSE'({ browser, server }) {
    const nginx = await startNginx(server);
    for (const [query, words] of [
      ['', 'over WebSocket'],
      ['?transport=sse', 'over SSE'],
    ]) {
      const { page, problems, close } = await openPage(browser, nginx, `${query}#/boards/infra`);
      const pill = page.locator('.pill');
      await within(COME_MS_MAX, `the page to be connected ${words}`, async () =>
        ((await pill.getAttribute('title')) ?? '').startsWith(`Connected ${words}`),
      );
      await within(COME_MS_MAX, 'a value', async () => /\d/.test(await stat(page, 'CPU').textContent()));
      const instants = new Set();
      await within(COME_MS_MAX, 'the instant to move', async () => {
        instants.add(await page.locator('.instant').textContent());
        return instants.size > 3;
      });
      assert.deepEqual(problems, []);
      await close();
    }
    await nginx.close();
  },
};
