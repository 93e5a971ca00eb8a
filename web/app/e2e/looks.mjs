/**
 * How the app looks: the design page against kept pictures, and every page held to what axe finds, in both themes.
 *
 * `KEEP=1` keeps new pictures; look at them before they are committed.
 */

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { openPage } from './page.mjs';
import { difference } from './pictures.mjs';
import { within } from './wait.mjs';

const SOON_MS = 20_000;
const KEPT = fileURLToPath(new URL('../../../docs/images/design/', import.meta.url));
/** The text of another machine's fonts is smoothed differently; a changed colour or a moved panel is far more than this. */
const DIFFERS_MAX = 0.01;

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
/** Tall enough for the tallest section: the bar at the top stands over what is scrolled beneath it. */
const DESIGN_VIEWPORT = { width: 1_440, height: 2_200 };
const THEMES = ['dark', 'light'];
const PAGES = [
  '#/',
  '#/boards/infra',
  '#/boards/sales',
  '#/edit/sales',
  '#/edit/sales?panel=total',
  '#/streams',
  '#/explore',
  '#/design',
];

const withTheme = (hash, theme) => `${hash}${hash.includes('?') ? '&' : '?'}theme=${theme}`;

async function settled(page) {
  await within(SOON_MS, 'a panel', async () => (await page.locator('.panel').count()) > 0);
  await page.evaluate('document.fonts.ready');
}

export const lookTests = {
  async 'the design page looks as it was agreed, dark and light'({ browser, server }) {
    await mkdir(KEPT, { recursive: true });
    for (const theme of THEMES) {
      const { page, close } = await openPage(browser, server, withTheme('#/design', theme), {
        reducedMotion: 'reduce',
        locale: 'en-US',
        viewport: DESIGN_VIEWPORT,
      });
      await within(SOON_MS, 'every section', async () => (await page.locator('[data-section]').count()) === 9);
      await within(SOON_MS, 'the charts', async () => (await page.locator('.uplot').count()) >= 6);
      await within(SOON_MS, 'candles', async () => (await page.locator('.candles canvas').count()) > 0);
      await page.evaluate('document.fonts.ready');
      await page.mouse.move(2, 500);
      for (const section of await page.locator('[data-section]').all()) {
        const name = (await section.getAttribute('data-section')).toLowerCase().replaceAll(' ', '-');
        const file = `${KEPT}${name}-${theme}.png`;
        const picture = await section.screenshot({ animations: 'disabled' });
        const kept = process.env.KEEP === '1' ? null : await readFile(file).catch(() => null);
        if (process.env.KEEP === '1') {
          await writeFile(file, picture);
          continue;
        }
        assert.ok(kept !== null, `there is no picture ${file}: run with KEEP=1 and look at it`);
        const differs = await difference(browser, kept, picture);
        assert.ok(differs <= DIFFERS_MAX, `${(100 * differs).toFixed(2)} % of ${name} (${theme}) differs from ${file}`);
      }
      await close();
    }
  },

  async 'axe finds nothing serious on any page in either theme'({ browser, server }) {
    const found = [];
    for (const theme of THEMES) {
      for (const hash of PAGES) {
        const { page, close } = await openPage(browser, server, withTheme(hash, theme), {
          reducedMotion: 'reduce',
          // The page's own policy refuses the checker, as it should.
          bypassCSP: true,
        });
        await settled(page);
        await page.addScriptTag({ path: AXE });
        const violations = await page.evaluate(async () => (await window.axe.run(document)).violations);
        for (const { id, impact, nodes } of violations) {
          if (impact === 'serious' || impact === 'critical') {
            found.push(
              `${hash} (${theme}): ${id}: ${nodes
                .slice(0, 3)
                .map(({ target }) => target.join(' '))
                .join(', ')}`,
            );
          }
        }
        await close();
      }
    }
    assert.deepEqual(found, []);
  },

  async 'the choices of look hold after a reload'({ browser, server }) {
    const { page, close } = await openPage(browser, server, '#/streams');
    await page.getByRole('button', { name: 'Look' }).click();
    for (const choice of ['light', 'east-asian', 'compact']) {
      await page.getByRole('button', { name: choice, exact: true }).click();
    }
    await page.reload();
    await settled(page);
    const look = await page.evaluate(() => {
      const style = getComputedStyle(document.documentElement);
      return {
        ...document.documentElement.dataset,
        up: style.getPropertyValue('--up'),
        fall: style.getPropertyValue('--fall'),
      };
    });
    assert.deepEqual([look.theme, look.updown, look.density], ['light', 'east-asian', 'compact']);
    assert.equal(look.up, look.fall);
    await close();
  },
};
