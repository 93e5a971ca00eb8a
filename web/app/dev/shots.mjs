/** Pictures of the page as it is, against a server that runs: `node dev/shots.mjs URL OUT_DIR NAME=HASH@WIDTHxHEIGHT …`. */

import { chromium } from 'playwright-core';
import { launchOptions } from './browser.mjs';

const [url, out, ...shots] = process.argv.slice(2);
const browser = await chromium.launch(launchOptions);
for (const shot of shots) {
  const [, name, hash, width, height] = /^([^=]+)=(.*)@(\d+)x(\d+)$/.exec(shot) ?? [];
  const viewport = { width: Number(width), height: Number(height) };
  const page = await browser.newPage({ viewport, deviceScaleFactor: Number(process.env.SCALE ?? 1) });
  page.on('console', (message) => console.log(`${name}: ${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => console.log(`${name}: ${error}`));
  await page.goto(`${url}/${hash}`);
  await page.waitForTimeout(Number(process.env.WAIT_MS ?? 3_500));
  await page.screenshot({ path: `${out}/${name}.png`, fullPage: process.env.FULL === '1' });
  await page.close();
}
await browser.close();
