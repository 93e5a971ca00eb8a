/** The gallery of all components, built and looked at: what only a browser can draw. */

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { within } from '../../../app/e2e/wait.mjs';
import { openPage, serveFolder } from './place.mjs';

const DRAW_MS_MAX = 20_000;
const configFile = fileURLToPath(new URL('../dev/gallery/vite.config.ts', import.meta.url));

let built = null;

/** Builds the gallery, once. */
function folder() {
  built ??= (async () => {
    const outDir = await mkdtemp(join(tmpdir(), 'pulseboard-gallery-'));
    process.once('exit', () => rmSync(outDir, { recursive: true, force: true }));
    await build({ configFile, logLevel: 'error', base: './', build: { outDir, emptyOutDir: true } });
    return outDir;
  })();
  return built;
}

async function gallery(browser, test, options = {}) {
  const served = await serveFolder(await folder());
  const opened = await openPage(browser, `${served.url}/${options.query ?? ''}`, options.context);
  try {
    await test(opened);
    assert.deepEqual(opened.problems, []);
  } finally {
    await opened.close();
    await served.close();
  }
}

/** For each place of a chart, whether any of its canvases has something on it; the library of candles has empty layers, too. */
function drawnPlaces() {
  const isDrawn = (canvas) => {
    const { width, height } = canvas;
    return (
      width > 0 &&
      height > 0 &&
      canvas
        .getContext('2d')
        .getImageData(0, 0, width, height)
        .data.some((byte) => byte !== 0)
    );
  };
  return [...document.querySelectorAll('.pb-host, .pb-price-host')].map((host) =>
    [...host.querySelectorAll('canvas')].some(isDrawn),
  );
}

export const galleryTests = {
  async 'every chart of the gallery is drawn, in both themes'({ browser }) {
    for (const query of ['', '?theme=light']) {
      await gallery(
        browser,
        async ({ page }) => {
          await within(
            DRAW_MS_MAX,
            'the candles',
            async () => (await page.locator('.pb-price-host canvas').count()) >= 2,
          );
          await within(DRAW_MS_MAX, 'something in each place', async () => {
            const drawn = await page.evaluate(drawnPlaces);
            return drawn.length >= 9 && drawn.every(Boolean);
          });
        },
        { query },
      );
    }
  },

  async 'points are appended to a chart without React rendering'({ browser }) {
    await gallery(browser, async ({ page }) => {
      const canvas = page.locator('.appended canvas');
      await within(DRAW_MS_MAX, 'the chart', async () => (await canvas.count()) === 1);
      const picture = () => canvas.evaluate((element) => element.toDataURL());
      const before = await page.evaluate('({ ...window.appended })');
      const first = await picture();
      await within(DRAW_MS_MAX, '40 more points', () =>
        page.evaluate(`window.appended.points >= ${before.points + 40}`),
      );
      assert.notEqual(await picture(), first, 'the picture moved');
      assert.equal(await page.evaluate('window.appended.renders'), before.renders, 'React rendered for points');
    });
  },

  async 'charts say what is under the pointer, and share the instant'({ browser }) {
    await gallery(browser, async ({ page }) => {
      const host = page.getByRole('img', { name: 'CPU per core' });
      await host.scrollIntoViewIfNeeded();
      const box = await host.boundingBox();
      await page.mouse.move(box.x + box.width * 0.6, box.y + 8);
      const tip = host.locator('.pb-tip');
      await within(DRAW_MS_MAX, 'the tip', () => tip.isVisible());
      assert.match(await tip.textContent(), /^core 0 {2}\d+\.\d %\n\d\d:\d\d:\d\d$/);
      await page.mouse.move(0, 0);
      await within(DRAW_MS_MAX, 'the tip to go', () => tip.isHidden());
    });
  },

  async 'the chart library is credited where its licence asks for it'({ browser }) {
    await gallery(browser, async ({ page }) => {
      const credit = page.locator('.pb-price a[href*="tradingview.com"]');
      await within(
        DRAW_MS_MAX,
        'the credit',
        async () => (await credit.count()) === 2 && (await credit.first().isVisible()),
      );
    });
  },

  async 'a phone shows every component without scrolling sideways'({ browser }) {
    await gallery(
      browser,
      async ({ page }) => {
        await within(DRAW_MS_MAX, 'the charts', async () => (await page.locator('.uplot').count()) >= 4);
        const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
      },
      { context: { viewport: { width: 390, height: 844 } } },
    );
  },

  async 'a table of 10,000 rows has only those in view, and scrolls to its end'({ browser }) {
    await gallery(browser, async ({ page }) => {
      const table = page.getByRole('table', { name: 'Orders' });
      const rows = table.locator('.pb-table-body > .pb-table-row');
      await within(DRAW_MS_MAX, 'rows', async () => (await rows.count()) > 8);
      assert.ok((await rows.count()) < 40);
      await table.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      await within(DRAW_MS_MAX, 'the last row', async () => (await rows.last().textContent()).startsWith('#38202'));
    });
  },
};
