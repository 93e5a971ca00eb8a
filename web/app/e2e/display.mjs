/** What pictures share and when they are drawn: candles, lines in tables, one crosshair, a tab that nobody sees, a link that is throttled. */

import assert from 'node:assert/strict';
import { openPage, stat } from './page.mjs';
import { difference } from './pictures.mjs';
import { within } from './wait.mjs';

const SOON_MS = 20_000;
const BOARD = '#/boards/desk';
const MINUTES = 25;

/** Prices of the last minutes, up for one symbol and down for the other. */
async function prices(server) {
  const now_ms = Date.now();
  const ticks = Array.from({ length: MINUTES * 6 }, (_, at) => {
    const time = new Date(now_ms - (MINUTES * 6 - at) * 10_000).toISOString();
    const wave = 3 * Math.sin(at / 8);
    const trend = wave > 0 ? 'up' : 'down';
    return [
      { time, symbol: 'RISE', price: 100 + at / 10 + wave, size: 5, trend },
      { time, symbol: 'FALL', price: 200 - at / 10 + wave, size: 7, trend },
    ];
  });
  await server.post('e2e_ticks', ticks.flat());
}

const panel = (page, id) => page.locator(`.slot[data-panel=${id}]`);

async function drawn(page) {
  await within(SOON_MS, 'candles', async () => (await panel(page, 'candles').locator('canvas').count()) > 0);
  await within(SOON_MS, 'lines', async () => (await panel(page, 'price').locator('.uplot').count()) > 0);
}

/**
 * Lets the page take itself for hidden: it is told so, and gets no frames, as browsers do with tabs behind others. (Under test none is
 * ever hidden.) Counts what is drawn.
 */
function mayHide() {
  let hidden = false;
  const held = [];
  window.drawings = 0;
  const { requestAnimationFrame: real } = window;
  window.requestAnimationFrame = (run) => real((now) => (hidden ? held.push(run) : run(now)));
  Object.defineProperty(document, 'visibilityState', { get: () => (hidden ? 'hidden' : 'visible') });
  Object.defineProperty(document, 'hidden', { get: () => hidden });
  const { clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (...place) {
    window.drawings += 1;
    return clearRect.apply(this, place);
  };
  window.hide = (value) => {
    hidden = value;
    document.dispatchEvent(new Event('visibilitychange'));
    for (const run of hidden ? [] : held.splice(0)) {
      real(run);
    }
  };
}

/** Notes in which panels a dashed line is drawn: of these, the crosshair is the only one. */
function watchDashes() {
  window.dashed = new Set();
  const { setLineDash } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.setLineDash = function (dashes) {
    if (dashes.length > 0) {
      window.dashed.add(this.canvas.closest('.slot')?.dataset.panel);
    }
    return setLineDash.call(this, dashes);
  };
}

export const displayTests = {
  async 'a tab that nobody sees draws nothing, and is current when somebody looks'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '#/boards/infra', { init: mayHide });
    let frames = 0;
    page.on('websocket', (socket) => socket.on('framereceived', () => (frames += 1)));
    await page.reload();
    await within(SOON_MS, 'a value', async () => /\d/.test(await stat(page, 'CPU').textContent()));
    // Whatever is still on its way would draw itself once when it comes.
    await within(SOON_MS, 'every panel', async () => {
      const [charts, heat, waiting] = ['.uplot', '.pb-canvas', '.skeleton'].map((each) => page.locator(each).count());
      return (await charts) >= 6 && (await heat) > 0 && (await waiting) === 0;
    });
    await page.evaluate(() => {
      window.hide(true);
      window.drawings = 0;
    });
    const before = await page.locator('.instant').textContent();
    const came = frames;
    await within(SOON_MS, 'frames to come all the same', () => frames >= came + 5);
    assert.equal(await page.evaluate('window.drawings'), 0);
    await page.evaluate('window.hide(false)');
    await within(SOON_MS, 'the charts to be drawn', () => page.evaluate('window.drawings > 3'));
    const seconds = (text) => text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
    await within(SOON_MS, 'the instant to be that of now', async () => {
      return (seconds(await page.locator('.instant').textContent()) - seconds(before) + 86_400) % 86_400 >= 4;
    });
    assert.deepEqual(await page.evaluate('window.blanks'), []);
    assert.deepEqual(problems, []);
    await close();
  },

  async 'a table draws a line for each row, in the colour of where it goes'({ browser, server }) {
    await prices(server);
    const { page, problems, close } = await openPage(browser, server, BOARD);
    const lines = panel(page, 'watchlist').locator('.table-spark path[stroke]');
    await within(SOON_MS, 'two lines', async () => (await lines.count()) === 2);
    const rows = panel(page, 'watchlist').locator('tbody tr', { has: page.locator('.table-spark') });
    const heads = await panel(page, 'watchlist').locator('th:not(.filler)').allTextContents();
    assert.deepEqual(heads, ['symbol', 'At', 'Price', 'Price']);
    const colour = (symbol) => rows.filter({ hasText: symbol }).locator('path[stroke]').getAttribute('stroke');
    assert.equal(await colour('RISE'), 'var(--up)');
    assert.equal(await colour('FALL'), 'var(--down)');
    const path = () => rows.filter({ hasText: 'RISE' }).locator('path[stroke]').getAttribute('d');
    const before = await path();
    await server.post('e2e_ticks', { symbol: 'RISE', price: 300, size: 1, trend: 'up' });
    await within(SOON_MS, 'the line to follow', async () => (await path()) !== before);
    assert.deepEqual(problems, []);
    await close();
  },

  async 'candles show the span that is chosen, as wide as it needs'({ browser, server }) {
    await prices(server);
    const asked = [];
    const { page, problems, close } = await openPage(browser, server, '#/');
    page.on('request', (request) => request.url().endsWith('/range') && asked.push(request.postDataJSON()));
    const of = (view) => asked.filter((each) => each.view === view).at(-1);
    const to_ms = Date.now() - 5 * 60_000;
    await page.goto(`${server.url}/${BOARD}?from=${to_ms - 10 * 60_000}&to=${to_ms}`);
    const canvas = panel(page, 'candles').locator('canvas');
    await within(SOON_MS, 'candles of the past', async () => (await canvas.count()) > 0);
    await within(SOON_MS, 'the past to be asked for', () => of('desk.candles') !== undefined);
    assert.deepEqual(of('desk.candles').params, { candle: '10 seconds' });
    await page.goto(`${server.url}/${BOARD}?from=now-24h&to=now`);
    await within(SOON_MS, 'a day to be asked for', () => of('desk.candles').from === '-24h');
    assert.deepEqual(of('desk.candles').params, { candle: '5 minutes' });
    await within(SOON_MS, 'candles of a day', async () => (await canvas.count()) > 0);
    // The other panels of this board cannot show a time before the log began, and say so.
    assert.deepEqual(
      problems.filter((problem) => !/400 \(Bad Request\)/.test(problem)),
      [],
    );
    await close();
  },

  async 'the crosshair is in all pictures, wherever the pointer is'({ browser, server }) {
    await prices(server);
    const look = { reducedMotion: 'reduce', init: watchDashes };
    const { page, problems, close } = await openPage(browser, server, BOARD, look);
    await drawn(page);
    const mark = panel(page, 'price').locator('.pb-crosshair-time');
    const candles = panel(page, 'candles');
    for (const id of ['candles', 'moves', 'trend', 'price']) {
      await page.mouse.move(4, 4);
      await within(SOON_MS, 'no crosshair', async () => !(await mark.isVisible()));
      const without = await candles.screenshot();
      await page.evaluate('window.dashed.clear()');
      const { x, y, width, height } = await panel(page, id).boundingBox();
      await page.mouse.move(x + width * 0.55, y + height * 0.5, { steps: 4 });
      await within(SOON_MS, `the time of the crosshair, pointer in ${id}`, () => mark.isVisible());
      for (const other of ['moves', 'trend']) {
        const has = () => page.evaluate((name) => window.dashed.has(name), other);
        await within(SOON_MS, `the crosshair in ${other}, pointer in ${id}`, has);
      }
      // These stand still but for the crosshair.
      await within(SOON_MS, `the crosshair in the candles, pointer in ${id}`, async () => {
        return (await difference(browser, without, await candles.screenshot())) > 0;
      });
    }
    assert.deepEqual(problems, []);
    await close();
  },

  async 'a device that saves data is asked less of, and the link says so'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '#/boards/infra', {
      init: () => Object.defineProperty(navigator, 'connection', { value: { saveData: true } }),
    });
    const asked = [];
    page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => asked.push(String(payload))));
    await page.reload();
    const pill = page.locator('.pill');
    await within(SOON_MS, 'the pill to say it', async () => /^Throttled\s*1 Hz$/.test((await pill.innerText()).trim()));
    assert.match(await pill.getAttribute('title'), /a frame a second at most/);
    await within(SOON_MS, 'a frame a second to be asked for', () => asked.some((text) => /"max_hz":1\b/.test(text)));
    assert.deepEqual(problems, []);
    await close();
  },
};
