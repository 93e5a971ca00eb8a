/** How the page holds its connection: through proxies that stop things, in many tabs, asleep, offline and reloaded. */

import assert from 'node:assert/strict';
import { openPage, stat } from './page.mjs';
import { BlockingProxy } from './proxy.mjs';
import { within } from './wait.mjs';

const MOVE_MS_MAX = 20_000;
const TABS = 10;
/** Rows that are a megabyte together: some frames' worth. */
const PARCELS = 6_000;
/** What the page's pill says. */
const OVER = { websocket: 'over WebSocket', sse: 'over SSE', longpoll: 'by long polling', poll: 'by polling' };

/** Waits until the page's pill says over what it is connected. */
function linked(page, words) {
  const pill = page.locator('.pill');
  return within(MOVE_MS_MAX, `the page to be connected ${words}`, async () =>
    new RegExp(`^Connected ${words}`).test((await pill.getAttribute('title')) ?? ''),
  );
}

/** Waits until the board has shown so many instants: its data moves. */
function moves(page, count = 3) {
  const instants = new Set();
  return within(MOVE_MS_MAX, 'the instant to move', async () => {
    instants.add(await page.locator('.instant').textContent());
    return instants.size > count;
  });
}

function filled(page) {
  return within(MOVE_MS_MAX, 'a value', async () => /\d/.test(await stat(page, 'CPU').textContent()));
}

/** How many connections of live data the server has, by transport. */
async function connections(server) {
  const response = await fetch(`${server.url}/api/v1/connections`);
  const counts = {};
  for (const { transport } of (await response.json()).connections) {
    counts[transport] = (counts[transport] ?? 0) + 1;
  }
  return counts;
}

/**
 * Puts the page to sleep: not a line of its code runs, while its socket stays open and its lock held. Call what this gives to
 * wake it. (Browsers freeze only pages that they take for hidden, and under test none is.)
 */
async function sleep(page) {
  const session = await page.context().newCDPSession(page);
  const asleep = new Promise((resolve) => session.once('Debugger.paused', resolve));
  await session.send('Debugger.enable');
  await session.send('Debugger.pause');
  await asleep;
  return async () => {
    await session.send('Debugger.disable');
    await session.detach();
  };
}

/** Keeps `window.longestGap_ms`: for how long the page's code did not run. */
function watchGaps() {
  let last_ms = performance.now();
  window.longestGap_ms = 0;
  setInterval(() => {
    window.longestGap_ms = Math.max(window.longestGap_ms, performance.now() - last_ms);
    last_ms = performance.now();
  }, 50);
}

/** Keeps `window.rowCounts`: how many rows the table said that it has, one after the other. */
function watchRowCounts() {
  window.rowCounts = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      window.rowCounts.push(Number(target.getAttribute('aria-rowcount')));
    }
  }).observe(document, { subtree: true, attributeFilter: ['aria-rowcount'] });
}

/** A tab beside another one of the same browser. */
async function besides(page, url) {
  const tab = await page.context().newPage();
  await tab.goto(url);
  return tab;
}

export const connectionTests = {
  async 'blocked transport by transport the page goes down to the last, and it climbs back up'({ browser, server }) {
    const proxy = await BlockingProxy.create(server);
    const { page, problems, close } = await openPage(browser, { url: proxy.url, port: proxy.port }, '#/boards/infra');
    const transports = await server.transports();
    for (const [rank, kind] of transports.entries()) {
      proxy.block(...transports.slice(0, rank));
      await linked(page, OVER[kind]);
      // A poll comes each five seconds.
      await moves(page, kind === 'poll' ? 1 : 3);
    }
    proxy.unblock(...transports);
    await linked(page, OVER.websocket);
    await moves(page);
    await within(MOVE_MS_MAX, 'the others to be closed', () => proxy.open('sse') + proxy.open('longpoll') === 0);
    assert.deepEqual(await page.evaluate('window.blanks'), []);
    assert.deepEqual(problems, []);
    await close();
    await proxy.close();
  },

  async 'what worked behind this proxy is tried first at the next visit'({ browser, server }) {
    const proxy = await BlockingProxy.create(server);
    proxy.block('websocket');
    const { page, problems, close } = await openPage(browser, { url: proxy.url, port: proxy.port }, '#/boards/infra');
    await linked(page, 'over SSE');
    // A stream has to last past a heartbeat to count; the memory is asked and not the clock.
    await within(40_000, 'the stream to be remembered', () =>
      page.evaluate(() => Object.entries(localStorage).some(([, value]) => /^sse \d+$/.test(value))),
    );
    await page.evaluate(() => {
      window.name = 'visited';
    });
    await page.addInitScript(() => {
      window.firstRequests = [];
      const { fetch, WebSocket } = window;
      window.fetch = (url, init) => {
        window.firstRequests.push(String(url));
        return fetch(url, init);
      };
      window.WebSocket = class extends WebSocket {
        constructor(url) {
          window.firstRequests.push(String(url));
          super(url);
        }
      };
    });
    await page.reload();
    await linked(page, 'over SSE');
    const live = (await page.evaluate('window.firstRequests')).filter((url) => url.includes('/live'));
    assert.match(live[0], /\/live\/sse/);
    assert.deepEqual(problems, []);
    await close();
    await proxy.close();
  },

  async 'ten tabs share one connection, and the next one takes over when the first is closed'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '#/boards/infra');
    await linked(page, 'over WebSocket');
    const tabs = [page];
    for (let index = 1; index < TABS; index += 1) {
      tabs.push(await besides(page, `${server.url}/#/boards/infra`));
    }
    for (const tab of tabs) {
      await filled(tab);
    }
    assert.deepEqual(await connections(server), { websocket: 1 });
    const [, second, ...others] = tabs;
    await page.close();
    await moves(second);
    await moves(others.at(-1));
    assert.deepEqual(await connections(server), { websocket: 1 });
    assert.deepEqual(problems, []);
    await close();
  },

  async 'ten tabs over SSE leave room for requests over plain HTTP/1.1'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '?transport=sse#/boards/infra');
    await linked(page, 'over SSE');
    const tabs = [page];
    for (let index = 1; index < TABS; index += 1) {
      tabs.push(await besides(page, `${server.url}/?transport=sse#/boards/infra`));
    }
    for (const tab of tabs) {
      await filled(tab);
    }
    await moves(tabs.at(-1));
    // The board of the first tab, that of the nine others, and the alerts of all.
    assert.deepEqual(await connections(server), { sse: 3 });
    assert.deepEqual(problems, []);
    await close();
  },

  async 'offline it says so and keeps the data, and online it is back at once'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '#/boards/infra');
    await filled(page);
    await page.context().setOffline(true);
    const pill = page.locator('.pill');
    await within(MOVE_MS_MAX, 'the offline pill', async () => /^offline/.test(await pill.innerText()));
    assert.match(await stat(page, 'Memory').textContent(), /\d/);
    await page.context().setOffline(false);
    await linked(page, 'over');
    await moves(page);
    assert.deepEqual(await page.evaluate('window.blanks'), []);
    assert.deepEqual(
      problems.filter((problem) => !problem.includes('ERR_INTERNET_DISCONNECTED')),
      [],
    );
    await close();
  },

  async 'a tab that was put to sleep is right when it wakes'({ browser, server }) {
    const stream = 'e2e_sleep';
    await server.post(stream, { item: 'flask' });
    const sql = `SELECT item, count(*) AS n FROM ${stream} GROUP BY item`;
    const { page, problems, close } = await openPage(browser, server, `#/explore?${new URLSearchParams({ sql })}`, {
      init: watchGaps,
    });
    const count = async () => (await page.locator('.result tbody td.number').first().textContent()) ?? '';
    await within(MOVE_MS_MAX, 'the first row', async () => (await count()) === '1');
    const wake = await sleep(page);
    const began_ms = performance.now();
    for (let n = 0; n < 20; n += 1) {
      await server.post(stream, { item: 'flask' });
    }
    const slept_ms = performance.now() - began_ms;
    await wake();
    await within(MOVE_MS_MAX, 'what came meanwhile', async () => (await count()) === '21');
    await server.post(stream, { item: 'flask' });
    await within(MOVE_MS_MAX, 'what comes next', async () => (await count()) === '22');
    assert.ok((await page.evaluate('window.longestGap_ms')) > slept_ms);
    assert.deepEqual(problems, []);
    await close();
  },

  async 'an answer larger than a frame is shown whole at once, goes on, and comes whole again after a cut'({
    browser,
    server,
  }) {
    const stream = 'e2e_parcels';
    const parcels = (from, count) =>
      Array.from({ length: count }, (_, n) => ({ parcel: `${'parcel '.repeat(20)}${from + n}`, weight: 1 }));
    for (let from = 0; from < PARCELS; from += 1_000) {
      await server.post(stream, parcels(from, 1_000));
    }
    const proxy = await BlockingProxy.create(server);
    const sql = `SELECT parcel, sum(weight) AS weight FROM ${stream} GROUP BY parcel`;
    const at = { url: proxy.url, port: proxy.port };
    const hash = `#/explore?${new URLSearchParams({ sql })}`;
    const { page, problems, close } = await openPage(browser, at, hash, { init: watchRowCounts });
    let parts = 0;
    page.on('websocket', (socket) =>
      socket.on('framereceived', ({ payload }) => {
        parts += String(payload).includes('"more":true') ? 1 : 0;
      }),
    );
    await page.reload();
    const shown = (count) =>
      within(MOVE_MS_MAX, `${count} rows`, () => page.evaluate((n) => window.rowCounts.at(-1) === n, count));
    await shown(PARCELS);
    assert.ok(parts >= 2, `it came in ${parts} parts before the last`);
    await server.post(stream, parcels(PARCELS, 1));
    await shown(PARCELS + 1);
    const [before, url] = [parts, page.url()];
    proxy.block('websocket');
    await server.post(stream, parcels(PARCELS + 1, 1));
    await shown(PARCELS + 2);
    proxy.unblock('websocket');
    await linked(page, OVER.websocket);
    await server.post(stream, parcels(PARCELS + 2, 1));
    await shown(PARCELS + 3);
    assert.equal(page.url(), url);
    const halves = await page.evaluate(
      (least) => window.rowCounts.filter((count) => count > 0 && count < least),
      PARCELS,
    );
    assert.deepEqual(halves, [], `nothing half is shown; ${before} parts at first`);
    assert.deepEqual(problems, []);
    await close();
    await proxy.close();
  },

  async 'a leading tab that sleeps does not hold the others up'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '#/boards/infra', { init: watchGaps });
    await filled(page);
    const second = await besides(page, `${server.url}/#/boards/infra`);
    await filled(second);
    const wake = await sleep(page);
    const began_ms = performance.now();
    await within(30_000, 'the second tab to move on by itself', async () => {
      await server.post('e2e_wake', { n: 1 });
      const before = await second.locator('.instant').textContent();
      await second.waitForTimeout(1_500);
      return (await second.locator('.instant').textContent()) !== before;
    });
    const slept_ms = performance.now() - began_ms;
    await wake();
    await moves(page);
    await moves(second);
    assert.ok((await page.evaluate('window.longestGap_ms')) > slept_ms);
    await within(MOVE_MS_MAX, 'one connection again', async () => (await connections(server)).websocket === 1);
    assert.deepEqual(problems, []);
    await close();
  },

  async 'reloaded while the server is away, the page shows what it last knew, and its age'({ browser, server }) {
    const proxy = await BlockingProxy.create(server);
    const { page, close } = await openPage(browser, { url: proxy.url, port: proxy.port }, '#/boards/infra');
    await filled(page);
    await moves(page);
    const kept = () =>
      page.evaluate(async () => {
        const database = await new Promise((resolve, reject) => {
          const request = indexedDB.open('pulseboard');
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
        const keys = database.transaction('channels').objectStore('channels').getAllKeys();
        return new Promise((resolve) => {
          keys.onsuccess = () => resolve(keys.result.some((name) => name.includes('infra.cpu')));
        });
      });
    await within(MOVE_MS_MAX, 'the data to be kept', kept);
    proxy.block('api');
    await page.reload();
    await filled(page);
    const pill = page.locator('.pill');
    await within(MOVE_MS_MAX, 'the pill to say since when', async () =>
      /offline, last known \d\d:\d\d:\d\d/.test(await pill.innerText()),
    );
    assert.ok((await page.locator('.notice', { hasText: 'cached' }).count()) > 0);
    proxy.unblock('api');
    await linked(page, 'over');
    await moves(page);
    await within(
      MOVE_MS_MAX,
      'nothing to be from the last visit',
      async () => (await page.locator('.notice', { hasText: 'cached' }).count()) === 0,
    );
    await close();
    await proxy.close();
  },
};
