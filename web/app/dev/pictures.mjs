/**
 * The pictures of `docs/images`: each shipped board, the first page, the editor and the explorer, dark and light, on a desk and on a phone.
 *
 * `PULSEBOARD_BIN=path/to/pulseboard npm run pictures` starts a demo of its own and lets it run until this machine has a past, too; with
 * `URL=http://127.0.0.1:8080` it takes what runs there. `ONLY=shop` makes those whose names have the word. Look at them before they are committed.
 */

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { freePort } from '../e2e/server.mjs';
import { within } from '../e2e/wait.mjs';
import { launchOptions } from './browser.mjs';

const OUT = fileURLToPath(new URL('../../../docs/images/', import.meta.url));
const START_MS_MAX = 600_000;
/** The charts of this machine show five minutes. */
const PAST_MS = 300_000;
const SHOWN_MS_MAX = 60_000;
const SETTLE_MS = 4_000;
/** Text stays sharp, and a picture under 150 KB. */
const QUALITY = 0.9;

const SQL = `SELECT time_bucket(interval '5 minutes', time) AS t, sum(total) AS revenue
FROM orders WHERE status = 'paid' AND time > now() - interval '12 hours' GROUP BY 1`;

const PLACES = {
  home: '#/',
  infra: '#/boards/infra',
  shop: '#/boards/shop',
  trading: '#/boards/trading',
  editor: '#/edit/shop?panel=orders_per_minute',
  explorer: `#/explore?${new URLSearchParams({ sql: SQL })}`,
};
const SIZES = {
  wide: { viewport: { width: 1_440, height: 900 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};

const { url, close } = await place();
const browser = await chromium.launch(launchOptions);
try {
  await mkdir(OUT, { recursive: true });
  for (const [name, hash] of Object.entries(PLACES)) {
    for (const theme of ['dark', 'light']) {
      for (const [size, options] of Object.entries(SIZES)) {
        const file = `${name}-${theme}${size === 'wide' ? '' : `-${size}`}.webp`;
        if (file.includes(process.env.ONLY ?? '')) {
          const bytes = await take(hash, theme, options);
          await writeFile(join(OUT, file), bytes);
          console.log(`${file} ${(bytes.length / 1_024).toFixed(0)} KB`);
        }
      }
    }
  }
} finally {
  await browser.close();
  await close();
}

/** What runs at `URL`, or a demo. */
async function place() {
  if (process.env.URL !== undefined) {
    return { url: process.env.URL, close: async () => {} };
  }
  const dir = await mkdtemp(join(tmpdir(), 'pulseboard-pictures-'));
  const at = `http://127.0.0.1:${await freePort()}`;
  const args = ['demo', '--data-dir', dir, '--listen', new URL(at).host];
  const child = spawn(process.env.PULSEBOARD_BIN ?? 'pulseboard', args, { stdio: 'ignore' });
  await within(START_MS_MAX, 'the demo to be live', async () => {
    const answer = await fetch(`${at}/api/v1/sources`).catch(() => null);
    const { sources = [] } = answer?.ok ? await answer.json() : {};
    const simulated = sources.filter(({ kind }) => kind === 'simulate');
    return simulated.length > 0 && simulated.every(({ status }) => status === 'live');
  });
  await new Promise((resolve) => setTimeout(resolve, PAST_MS));
  return {
    url: at,
    async close() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function take(hash, theme, options) {
  const context = await browser.newContext({
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  await page.goto(`${url}/${hash}${hash.includes('?') ? '&' : '?'}theme=${theme}`);
  await within(SHOWN_MS_MAX, `${hash} to be filled`, async () => {
    const rebuilt = page.getByText(/^(being rebuilt|rebuilding)/);
    const waiting = (await page.locator('.skeleton').count()) + (await rebuilt.count());
    return (await page.locator('.panel').count()) > 0 && waiting === 0;
  });
  await page.evaluate('document.fonts.ready');
  await page.waitForTimeout(SETTLE_MS);
  const picture = await page.screenshot({ animations: 'disabled' });
  await context.close();
  return small(picture);
}

/** As WebP, by the browser that is there anyway. */
async function small(picture) {
  const page = await browser.newPage();
  const encoded = await page.evaluate(
    async ([base64, quality]) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      canvas.getContext('2d').drawImage(bitmap, 0, 0);
      const blob = await canvas.convertToBlob({ type: 'image/webp', quality });
      const made = new Uint8Array(await blob.arrayBuffer());
      return btoa(Array.from(made, (byte) => String.fromCharCode(byte)).join(''));
    },
    [picture.toString('base64'), QUALITY],
  );
  await page.close();
  return Buffer.from(encoded, 'base64');
}
