/** What it costs to draw: a wall of thirty panels, long lines and a long table, each while its data changes. */

import { itemRows, LINE_POINTS, lineRow, loadRows, TABLE_ROWS } from './boards.mjs';
import { Feed } from './feed.mjs';
import { askForFrames, measureFrames, quantile } from './frames.mjs';

const MEASURED_MS = 10_000;
const SETTLE_MS = 4_000;
const SHOWN_MS = 5_000;
const WALL_HZ = 10;
const LINE_HZ = 10;
const ITEMS_HZ = 20;
const ITEMS_PER_POST = 50;
/** What the issue of smoothness allows the main thread of a frame, and how many frames may be missed. */
const FRAME = { floor: 10, goal: 5 };
const SHARE_DROPPED = { floor: 1, goal: 0.1, digits: 2 };

export async function wallOfPanels(stage) {
  const past = Array.from({ length: 130 }, (_, second) => loadRows((second - 130) * 10, 130 - second)).flat();
  await stage.server.post('bench_load', past);
  const feed = new Feed(WALL_HZ, (n) => stage.server.post('bench_load', loadRows(n)));
  const what = '30 panels × 10 Hz';
  const check = async (page) => {
    const filled = await page.locator('.panel').count();
    if (filled !== 30) {
      throw new Error(`${filled} panels instead of 30`);
    }
  };
  await measured(stage, '#/boards/bench_wall', feed, what, check, async (page) => {
    const shown = await page.evaluate(shownHz, SHOWN_MS);
    const note = `median ${quantile(shown, 0.5).toFixed(1)}, most ${Math.max(...shown).toFixed(1)}`;
    stage.report.add(`${what}: the panel that is shown least often`, Math.min(...shown), 'times a second', { note });
  });
}

/** Runs in the page: in how many frames a second each panel shows something else. */
async function shownHz(for_ms) {
  const frames = new Map([...document.querySelectorAll('.panel')].map((panel) => [panel, new Set()]));
  const note = (node) => {
    const panel = (node instanceof Element ? node : node.parentElement)?.closest('.panel');
    frames.get(panel)?.add(document.timeline.currentTime);
  };
  const observer = new MutationObserver((changes) => {
    for (const { target } of changes) {
      note(target);
    }
  });
  for (const panel of frames.keys()) {
    observer.observe(panel, { subtree: true, childList: true, characterData: true, attributes: true });
  }
  const { clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (...place) {
    note(this.canvas);
    return clearRect.apply(this, place);
  };
  await new Promise((over) => setTimeout(over, for_ms));
  observer.disconnect();
  CanvasRenderingContext2D.prototype.clearRect = clearRect;
  return [...frames.values()].map(({ size }) => (1_000 * size) / for_ms);
}

export async function longLines(stage) {
  for (let from = LINE_POINTS; from > 0; from -= 1_000) {
    await stage.server.post(
      'bench_lines',
      Array.from({ length: 1_000 }, (_, index) => lineRow((index - from) * 10, from - index)),
    );
  }
  const feed = new Feed(LINE_HZ, (n) => stage.server.post('bench_lines', lineRow(n)));
  await measured(stage, '#/boards/bench_lines', feed, `5 lines × ${LINE_POINTS.toLocaleString('en')} points × 10 Hz`);
}

export async function longTable(stage) {
  let position;
  for (let from = 0; from < TABLE_ROWS; from += 1_000) {
    const rows = Array.from({ length: 1_000 }, (_, index) => itemRows(1, from + index)).flat();
    ({ position } = await stage.server.post('bench_items', rows));
  }
  const held = await stage.query('SELECT count(DISTINCT item) AS n FROM bench_items', position);
  if (held.rows?.[0]?.[0] !== TABLE_ROWS) {
    throw new Error(`not ${TABLE_ROWS} rows: ${JSON.stringify(held)}`);
  }
  const post = (n) => stage.server.post('bench_items', itemRows(ITEMS_PER_POST, n * ITEMS_PER_POST));
  await measured(stage, '#/boards/bench_table', new Feed(ITEMS_HZ, post), '10,000 rows, 1,000 changes/s');
}

async function measured({ browser, open, report }, hash, feed, what, check = async () => {}, after = async () => {}) {
  const { page, close } = await open(hash, askForFrames);
  await page.locator('.panel').first().waitFor();
  await page.waitForTimeout(SETTLE_MS);
  await check(page);
  const { wall_ms, cpu_ms, dropped, busy, frames } = await measureFrames(browser, page, MEASURED_MS);
  const { hz } = feed;
  if (process.env.PICTURE !== undefined) {
    await page.screenshot({ path: `${process.env.PICTURE}/${hash.split('/').at(-1)}.png` });
  }
  const [p50, p99, max] = [quantile(wall_ms, 0.5), quantile(wall_ms, 0.99), Math.max(...wall_ms)];
  const note = `p50 ${p50.toFixed(1)}, max ${max.toFixed(1)} ms of ${frames} frames; its own processor time p99 ${quantile(cpu_ms, 0.99).toFixed(1)} ms, ${(100 * busy).toFixed(0)} % of a core; ${hz.toFixed(1)} posts/s`;
  report.add(`${what}: main thread per frame, p99`, p99, 'ms', { ...FRAME, note });
  report.add(`${what}: dropped frames`, 100 * dropped, '%', SHARE_DROPPED);
  await after(page);
  await feed.stop();
  await close();
}
