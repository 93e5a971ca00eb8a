/** Journeys on a board: spans of time, links, one panel alone, what is behind it, wall screens, sending the first event. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { openPage, stat } from './page.mjs';
import { difference } from './pictures.mjs';
import { within } from './wait.mjs';

const SOON_MS = 20_000;
const BOARD = '#/boards/sales';
const HOUR_MS = 3_600_000;
/** Two pictures of the same instant differ by less than this: only where text is smoothed. */
const SAME = 0.002;

let posted = null;

/** An order a minute over the last two hours, once for all tests. */
async function sales(server) {
  if (posted === null) {
    const now_ms = Date.now();
    const items = ['flask', 'shell', 'lamp'];
    const orders = Array.from({ length: 120 }, (_, at) => ({
      time: new Date(now_ms - (119 - at) * 60_000 - 1_000).toISOString(),
      item: items[at % 3],
      total: 10 + (at % 7),
    }));
    await server.post('e2e_sales', orders);
    posted = { count: orders.length, now_ms };
  }
  return posted;
}

const title = (page, text) => page.locator('.slot', { has: page.locator('.panel-title', { hasText: text }) });

/** The rows behind a panel, as the dialog gives them to take away. */
async function rowsBehind(page, panel) {
  if (!(await page.locator('.inspect').isVisible())) {
    await title(page, panel).hover();
    await page.keyboard.press('i');
    await within(SOON_MS, 'the dialog', async () => page.locator('.inspect').isVisible());
  }
  const download = page.waitForEvent('download');
  await page.locator('.inspect').getByRole('button', { name: 'Download CSV' }).click();
  const text = await readFile(await (await download).path(), 'utf8');
  return text
    .trim()
    .split('\r\n')
    .slice(1)
    .map((line) => line.split(','));
}

/** Everything that the numbers of a place say. */
const numbers = async (place) => (await place.locator('[data-part=value]').allTextContents()).join(' ');

export const boardTests = {
  async 'a span of hours shows the past and goes on live, each order counted once'({ browser, server }) {
    const { count } = await sales(server);
    const { page, problems, close } = await openPage(browser, server, `${BOARD}?from=now-3h&to=now`);
    const asked = page.waitForRequest((request) => request.url().endsWith('/api/v1/range'));
    await page.reload();
    assert.equal(JSON.parse((await asked).postData()).from, '-3h');
    const sum = async () => {
      const rows = await rowsBehind(page, 'Orders over time');
      assert.equal(new Set(rows.map(([time]) => time)).size, rows.length, 'a bucket is there twice');
      return rows.reduce((total, [, orders]) => total + Number(orders), 0);
    };
    await within(SOON_MS, `${count} orders in the buckets`, async () => (await sum()) === count);
    await server.post('e2e_sales', [{ item: 'flask', total: 3 }]);
    posted.count += 1;
    await within(SOON_MS, 'the new order in the last bucket', async () => (await sum()) === count + 1);
    assert.deepEqual(problems, []);
    await close();
  },

  async 'what a board shows is asked for once, before the page is drawn, and a slow server is not waited for'({
    browser,
    server,
  }) {
    await sales(server);
    const { page, problems, close } = await openPage(browser, server, '#/streams');
    const followed = [];
    page.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => {
        const { type, channels = [] } = JSON.parse(payload);
        followed.push(...(type === 'subscribe' ? channels : []));
      });
    });
    let release = null;
    const released = new Promise((resolve) => {
      release = resolve;
    });
    await page.route('**/api/v1/boards/sales', async (route) => {
      await released;
      await route.continue();
    });
    const visit = async () => {
      await page.goto('about:blank');
      await page.goto(`${server.url}/${BOARD}`);
    };
    await visit();
    await within(SOON_MS, 'the outline of a board', () => page.locator('.board[aria-hidden]').isVisible());
    release();
    await within(SOON_MS, 'orders', async () => /\d/.test((await stat(page, 'Orders').textContent()) ?? ''));
    for (const context of ['kept from the last visit', 'never seen']) {
      if (context === 'never seen') {
        await page.evaluate(() => localStorage.clear());
      }
      followed.length = 0;
      await visit();
      await within(SOON_MS, 'orders', async () => /\d/.test((await stat(page, 'Orders').textContent()) ?? ''));
      await within(SOON_MS, 'a chart', () => page.locator('.board .uplot').first().isVisible());
      assert.ok(followed.length > 2, `${context}: ${followed}`);
      assert.deepEqual(followed, [...new Set(followed)], `${context}: nothing is followed twice`);
    }
    assert.deepEqual(problems, []);
    await close();
  },

  async 'a link shows a colleague the same picture'({ browser, server }) {
    const { now_ms } = await sales(server);
    const { page, close } = await openPage(browser, server, BOARD);
    await within(SOON_MS, 'the number', async () => /\d/.test(await stat(page, 'Orders').textContent()));
    await page.keyboard.press('t');
    await page.keyboard.press('t');
    // What a query with a span of its own said at the end can only be asked of an instant that the log has.
    const end_ms = now_ms + 1_000;
    await within(SOON_MS, 'the end to be over', async () => Date.now() > end_ms + 1_000);
    const from = new Date(now_ms - 2 * HOUR_MS).toISOString();
    const to = new Date(end_ms).toISOString();
    await page.getByLabel('Type a range').fill(`${from} - ${to}`);
    await page.keyboard.press('Enter');
    await within(SOON_MS, 'the past', async () => (await page.locator('.play').innerText()).includes('PAST'));
    await page.locator('.time-button').click();
    await page.getByLabel('Time zone').selectOption('UTC');
    await page.keyboard.press('Escape');
    const settled = async (each) => {
      await within(
        SOON_MS,
        'lines',
        async () => (await title(each, 'Orders over time').locator('.uplot').count()) === 1,
      );
      await within(SOON_MS, 'nothing to be on its way', async () => (await each.locator('.notice').count()) === 0);
      await each.mouse.move(2, 500);
      await each.evaluate('document.activeElement?.blur()');
      const shoot = () => each.locator('.board').screenshot({ animations: 'disabled' });
      // Lines share what frames have room for: they may come some frames after the numbers.
      let picture = await shoot();
      await within(SOON_MS, 'the picture to rest', async () => {
        const before = picture;
        picture = await shoot();
        return picture.equals(before);
      });
      return picture;
    };
    const mine = await settled(page);
    const url = page.url();
    assert.match(url, /from=.*to=.*tz=UTC/);
    const other = await openPage(browser, server, url.slice(url.indexOf('#')));
    const theirs = await settled(other.page);
    const differs = await difference(browser, mine, theirs);
    assert.ok(differs < SAME, `${(100 * differs).toFixed(2)} % of the picture differs`);
    await other.close();
    await close();
  },

  async 'a drag over a chart zooms all that follow, a double click goes back'({ browser, server }) {
    await sales(server);
    const { page, close } = await openPage(browser, server, `${BOARD}?from=now-3h&to=now`);
    const over = title(page, 'Orders over time').locator('.u-over');
    await over.waitFor();
    const box = await over.boundingBox();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.8, box.y + 60, { steps: 5 });
    await page.mouse.up();
    await within(SOON_MS, 'an absolute span in the link', async () => /from=\d{13}&to=\d{13}/.test(page.url()));
    const [, from, to] = /from=(\d+)&to=(\d+)/.exec(page.url());
    const zoomed = (Number(to) - Number(from)) / (3 * HOUR_MS);
    assert.ok(
      zoomed > 0.27 && zoomed < 0.33,
      `dragged over 0.3 of the chart, zoomed to ${zoomed.toFixed(2)} of its span`,
    );
    await over.waitFor();
    await over.dblclick({ position: { x: 30, y: 30 } });
    await within(SOON_MS, 'the span before', async () => /from=now-3h/.test(page.url()));
    await close();
  },

  async 'a variable is chosen, goes into the link, and changes the panels that take it'({ browser, server }) {
    await sales(server);
    const { page, problems, close } = await openPage(browser, server, `${BOARD}?var-item=lamp`);
    const orders = async () => Number(await stat(page, 'Of the item chosen').textContent());
    await within(SOON_MS, 'the lamps', async () => (await orders()) === 40);
    const all = Number(await stat(page, 'Orders').textContent());
    await page.getByLabel('Item', { exact: true }).selectOption('flask');
    await within(SOON_MS, 'the flasks', async () => (await orders()) === all - 80);
    assert.match(page.url(), /var-item=flask/);
    assert.deepEqual(problems, []);
    await close();
  },

  async 'keys show a panel alone, longer legends, and the way back'({ browser, server }) {
    await sales(server);
    const { page, close } = await openPage(browser, server, BOARD);
    await title(page, 'By item').hover();
    const all = await page.locator('.slot').count();
    await page.keyboard.press('v');
    await within(SOON_MS, 'one panel alone', async () => (await page.locator('.slot').count()) === 1);
    assert.match(page.url(), /viewPanel=items/);
    await page.keyboard.press('Escape');
    await within(SOON_MS, 'the whole board', async () => (await page.locator('.slot').count()) === all);
    await page.keyboard.press('t');
    await page.keyboard.press('a');
    await within(SOON_MS, 'a frozen span', async () => /from=\d{13}&to=\d{13}/.test(page.url()));
    const mode = () => page.locator('.play').getAttribute('data-mode');
    await within(SOON_MS, 'the board to stand in the past', async () => (await mode()) === 'past');
    await page.keyboard.press('End');
    await within(SOON_MS, 'live again', async () => (await mode()) === 'live');
    assert.doesNotMatch(page.url(), /from=/);
    await close();
  },

  async 'the menu of a panel gives its rows as CSV and its look as a picture'({ browser, server }) {
    await sales(server);
    const { page, close } = await openPage(browser, server, BOARD);
    const panel = title(page, 'By item');
    await panel.locator('.bar').first().waitFor();
    const choose = async (entry) => {
      await panel.hover();
      await panel.getByRole('button', { name: /^Menu of/ }).click();
      const download = page.waitForEvent('download');
      await page.getByRole('menuitem', { name: entry }).click();
      return readFile(await (await download).path());
    };
    const csv = (await choose('Download CSV')).toString();
    assert.match(csv, /^item,orders\r\n(flask|shell|lamp),\d+\r\n/);
    const png = await choose('Download picture');
    assert.equal(png.subarray(1, 4).toString(), 'PNG');
    assert.ok(png.length > 4_000, `${png.length} bytes are hardly a picture`);
    await close();
  },

  async 'a wall screen stays awake, hides what is to be clicked, and renews itself after an upgrade'({
    browser,
    server,
  }) {
    const init = () => {
      window.locks = 0;
      const request = async () => {
        window.locks += 1;
        return { release: async () => {} };
      };
      Object.defineProperty(navigator, 'wakeLock', { value: { request } });
    };
    const { page, close } = await openPage(browser, server, '#/boards/infra?kiosk=true', { init });
    await within(SOON_MS, 'a value', async () => /\d/.test(await stat(page, 'CPU').textContent()));
    assert.equal(await page.locator('.rail').isVisible(), false);
    await within(SOON_MS, 'the wake lock', async () => (await page.evaluate('window.locks')) > 0);
    const size = await stat(page, 'CPU').evaluate((element) => Number.parseFloat(getComputedStyle(element).fontSize));
    assert.ok(size >= 40, `the number is ${size} px high`);
    await within(SOON_MS, 'the cursor to go', async () =>
      page.evaluate("getComputedStyle(document.querySelector('.board')).cursor === 'none'"),
    );
    const html = await (await fetch(server.url)).text();
    await page.route(`${server.url}/`, (route) =>
      route.fulfill({ contentType: 'text/html', body: html.replace(/index-[\w-]+\.js/, 'index-newer.js') }),
    );
    const reloaded = page.waitForEvent('framenavigated', { timeout: SOON_MS });
    // It looks whenever the server comes back.
    await server.stop('SIGKILL');
    await within(SOON_MS, 'the page to notice', async () => /offline/.test(await page.locator('.pill').innerText()));
    await server.start();
    await reloaded;
    // A context that is closed while its page is being loaded may never close.
    await page.waitForLoadState();
    await close();
  },

  async 'reduced motion: digits do not slide and charts move with their data only'({ browser, server }) {
    const { page, close } = await openPage(browser, server, '#/boards/infra', { reducedMotion: 'reduce' });
    await within(SOON_MS, 'a value', async () => /\d/.test(await stat(page, 'CPU').textContent()));
    await page.evaluate(() => {
      window.moving = 0;
      const look = () => {
        window.moving += document.getAnimations().filter(({ playState }) => playState === 'running').length;
        requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    });
    const seen = new Set();
    await within(SOON_MS, 'numbers to change', async () => seen.add(await numbers(page.locator('.board'))).size >= 5);
    assert.equal(await page.evaluate('window.moving'), 0);
    await close();
  },

  async 'the first page shows boards alive, and its first command works when it is pasted'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '', {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    const card = page.locator('.board-card[href="#/boards/infra"]');
    const seen = new Set();
    await within(SOON_MS, 'the board in small to move', async () => seen.add(await numbers(card)).size >= 3);
    await page.getByRole('button', { name: 'Copy the command' }).click();
    const command = await page.evaluate('navigator.clipboard.readText()');
    const { stdout } = await promisify(execFile)('bash', ['-c', command]);
    assert.equal(JSON.parse(stdout).accepted, 1);
    await page.getByRole('link', { name: /^(all \d+|details)$/ }).click();
    await within(SOON_MS, 'the new stream', async () =>
      (await page.locator('.list-link').allTextContents()).includes('orders'),
    );
    await page.keyboard.press('g');
    await page.keyboard.press('h');
    await card.click();
    await within(SOON_MS, 'the board', async () => (await page.locator('h1:visible').textContent()) === 'This machine');
    assert.deepEqual(problems, []);
    await close();
  },

  async 'on a phone the picker fits, and panels lie one below the other'({ browser, server }) {
    const { page, close } = await openPage(browser, server, BOARD, {
      viewport: { width: 390, height: 844 },
      hasTouch: true,
    });
    await page.locator('.time-button').click();
    const box = await page.locator('.time-picker').boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 390, `the picker is from ${box.x} to ${box.x + box.width}`);
    await page.getByRole('button', { name: 'Last hour' }).click();
    await within(SOON_MS, 'the span in the link', async () => /from=now-1h/.test(page.url()));
    const tops = await page
      .locator('.slot:not([data-type=stat])')
      .evaluateAll((slots) => slots.map((slot) => slot.getBoundingClientRect().top));
    assert.deepEqual(
      tops,
      [...tops].sort((a, b) => a - b),
    );
    assert.equal(new Set(tops).size, tops.length);
    await close();
  },
};
