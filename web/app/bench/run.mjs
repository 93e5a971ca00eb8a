/**
 * What the page costs and how soon it shows, measured in the system's Chromium against the real server. Prints one table.
 *
 * `PULSEBOARD_BIN=path/to/pulseboard npm run bench`; `ONLY=word` takes the parts whose names have the word, `MINUTES=30` is for how long the
 * heap is watched (2 unless said).
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { launchOptions } from '../dev/browser.mjs';
import { openPage } from '../e2e/page.mjs';
import { Server } from '../e2e/server.mjs';
import { eventToPixel, firstVisit } from './arrival.mjs';
import { writeBoards } from './boards.mjs';
import { longLines, longTable, wallOfPanels } from './drawing.mjs';
import { Report } from './report.mjs';
import { soak } from './soak.mjs';

/** As wide and tall as shows the wall whole. */
const VIEWPORT = { width: 1_920, height: 1_200 };

const PARTS = {
  'first visit': firstVisit,
  'event to pixel': eventToPixel,
  'wall of panels': wallOfPanels,
  'long lines': longLines,
  'long table': longTable,
  soak: (stage) => soak(stage, Number(process.env.MINUTES ?? 2)),
};

const binary = process.env.PULSEBOARD_BIN;
if (binary === undefined) {
  console.error('set PULSEBOARD_BIN to the server to measure with');
  process.exit(2);
}
const boards = await mkdtemp(join(tmpdir(), 'pulseboard-boards-'));
await writeBoards(boards);
const server = await Server.create(binary, boards);
const browser = await chromium.launch(launchOptions);
const report = new Report();
const stage = {
  browser,
  server,
  report,
  async open(hash, init, at = server) {
    const more = { viewport: VIEWPORT, locale: 'en-US', ...(init === undefined ? {} : { init }) };
    const { page, problems, close } = await openPage(browser, at, hash, { watch: false, ...more });
    return {
      page,
      async close() {
        await close();
        if (problems.length > 0) {
          throw new Error(problems.join('\n'));
        }
      },
    };
  },
  /** Answers once it has seen this position. */
  async query(sql, min_position) {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ sql, min_position });
    return (await fetch(`${server.url}/api/v1/query`, { method: 'POST', headers, body })).json();
  },
};
let failed = 0;
try {
  await server.start();
  for (const [name, part] of Object.entries(PARTS)) {
    if (name.includes(process.env.ONLY ?? '')) {
      await part(stage).catch((error) => {
        failed += 1;
        console.log(`# ${name} failed: ${error.stack ?? error}`);
      });
    }
  }
} finally {
  await browser.close();
  await server.destroy();
  await rm(boards, { recursive: true, force: true });
}
const load = loadavg().map((value) => value.toFixed(1));
console.log(
  `\nChromium ${browser.version()}, ${cpus().length} × ${cpus()[0]?.model ?? 'processor'}, load ${load.join(' ')}\n`,
);
console.log(report.text);
process.exit(failed === 0 ? 0 : 1);
