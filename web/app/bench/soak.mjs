/**
 * Whether the page's memory stays flat: thirty panels fed at several times their pace, and the heap read after it was collected.
 *
 * The first readings are left out: by then each window has slid once, and what is made on demand is made.
 */

import { loadRows } from './boards.mjs';
import { Feed } from './feed.mjs';
import { quantile } from './frames.mjs';

/** The pace is five times that of the wall, so that a minute is as many frames as five. */
const PACE = 5;
const HZ = 10 * PACE;
const WARM_MS = 40_000;
const READINGS = 24;
/** A page that grows by this in a day of frames at 10 Hz would be noticed in a month. */
const GROWTH = { floor: 10, goal: 2, digits: 2 };

export async function soak({ server, open, report }, minutes) {
  const feed = new Feed(HZ, (n) => server.post('bench_load', loadRows(n)));
  const { page, close } = await open('#/boards/bench_soak');
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  await page.waitForTimeout(WARM_MS);
  const readings = [];
  const every_ms = (minutes * 60_000) / READINGS;
  const began_ms = performance.now();
  for (let index = 0; index < READINGS; index += 1) {
    await page.waitForTimeout(Math.max(0, began_ms + index * every_ms - performance.now()));
    readings.push({ at_min: (performance.now() - began_ms) / 60_000, ...(await read(session)) });
  }
  const { hz } = feed;
  await feed.stop();
  await close();
  const slope_kb = slope(readings.map(({ at_min, heap_kb }) => [at_min, heap_kb]));
  const first_kb = quantile(
    readings.slice(0, 8).map(({ heap_kb }) => heap_kb),
    0.5,
  );
  const last_kb = quantile(
    readings.slice(-8).map(({ heap_kb }) => heap_kb),
    0.5,
  );
  const nodes = (at) => `${at.nodes.toLocaleString('en')} nodes and ${at.listeners} listeners`;
  const note = `median ${(first_kb / 1_024).toFixed(2)} MB in the first third, ${(last_kb / 1_024).toFixed(2)} MB in the last; ${slope_kb.toFixed(1)} KB a minute at ${hz.toFixed(0)} posts/s; ${nodes(readings[0])}, in the end ${nodes(readings.at(-1))}`;
  const growth = (100 * (last_kb - first_kb)) / first_kb;
  report.add(
    `heap after ${minutes} min of 30 panels at ${HZ} Hz (${minutes * PACE} min at 10 Hz): growth`,
    growth,
    '%',
    {
      ...GROWTH,
      note,
    },
  );
}

async function read(session) {
  // Twice: what finalisers let go of is only free the second time.
  await session.send('HeapProfiler.collectGarbage');
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  const { metrics } = await session.send('Performance.getMetrics');
  const metric = (wanted) => metrics.find(({ name }) => name === wanted)?.value ?? Number.NaN;
  return { heap_kb: usedSize / 1_024, nodes: metric('Nodes'), listeners: metric('JSEventListeners') };
}

/** Of the straight line with the least squares. */
function slope(points) {
  const mean = (at) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const across = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return across / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}
