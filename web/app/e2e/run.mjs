/**
 * The browser test: the real server, the real page, the system's Chromium.
 *
 * `PULSEBOARD_BIN=path/to/pulseboard npm run e2e`; `ONLY=word` runs the tests whose names have the word. Prints one line per test and `N passed, N failed` at the end.
 */

import assert from 'node:assert/strict';
import { alertTests } from './alerts.mjs';
import { boardTests } from './boards.mjs';
import { connectionTests } from './connection.mjs';
import { crowdTests } from './crowd.mjs';
import { displayTests } from './display.mjs';
import { doorTests } from './doors.mjs';
import { editorTests } from './editor.mjs';
import { lookTests } from './looks.mjs';
import { nodeTests } from './node.mjs';
import { openPage, stat } from './page.mjs';
import { runSuite } from './suite.mjs';
import { within } from './wait.mjs';

const MOVE_MS_MAX = 15_000;
const RECOVER_MS_MAX = 20_000;
/** An event must be on the screen this soon after the POST began. */
const SEEN_MS_MAX = 1_000;

const pageTests = {
  async 'the infra board fills and moves by itself'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '#/boards/infra');
    for (const title of ['CPU', 'Memory', 'Load']) {
      await within(MOVE_MS_MAX, `a value of ${title}`, async () => /\d/.test(await stat(page, title).textContent()));
    }
    const instants = new Set();
    await within(MOVE_MS_MAX, 'the instant to move three times', async () => {
      instants.add(await page.locator('.instant').textContent());
      return instants.size > 3;
    });
    await within(
      MOVE_MS_MAX,
      'lines in the chart of cores',
      async () => (await page.locator('.legend-item').count()) > 0,
    );
    await within(MOVE_MS_MAX, 'a row of processes', async () => (await page.locator('.live-table td').count()) > 0);
    assert.deepEqual(await page.locator('.notice[data-tone=critical]').allTextContents(), []);
    assert.deepEqual(await page.evaluate('window.blanks'), []);
    assert.deepEqual(problems, []);
    await close();
  },

  async 'an event that is posted is in the explorer within a second'({ browser, server }) {
    await server.post('e2e_orders', { item: 'flask', total: 24.5 });
    const sql = 'SELECT item, count(*) AS n, sum(total) AS total FROM e2e_orders GROUP BY item';
    const { page, problems, close } = await openPage(browser, server, `#/explore?${new URLSearchParams({ sql })}`);
    const rows = () => page.locator('.result tbody tr:has(td.number)').allInnerTexts();
    const row = (texts, item) =>
      texts
        .find((text) => text.startsWith(item))
        ?.split(/\s+/)
        .filter(Boolean);
    await within(MOVE_MS_MAX, 'the first row', async () => row(await rows(), 'flask')?.[1] === '1');
    const took_ms = [];
    for (let count = 2; count <= 6; count += 1) {
      const began_ms = performance.now();
      await server.post('e2e_orders', { item: 'flask', total: 0.5 });
      await within(SEEN_MS_MAX, `count ${count}`, async () => row(await rows(), 'flask')?.[1] === String(count));
      took_ms.push(performance.now() - began_ms);
    }
    const slowest_ms = Math.max(...took_ms);
    assert.ok(slowest_ms < SEEN_MS_MAX, `the slowest of five took ${slowest_ms.toFixed(0)} ms`);
    console.log(`# posted to seen: ${took_ms.map((ms) => ms.toFixed(0)).join(', ')} ms`);
    await server.post('e2e_orders', [{ item: 'shell', total: 7 }]);
    await within(SEEN_MS_MAX, 'a new row', async () => row(await rows(), 'shell')?.[2] === '7.00');
    assert.deepEqual(problems, []);
    await close();
  },

  async 'a wrong query is marked in place and a right one runs after it'({ browser, server }) {
    const { page, close } = await openPage(browser, server, '#/explore');
    await page.locator('.cm-content').click();
    await page.keyboard.type('SELECT nothing_like_it FROM e2e_orders');
    await page.keyboard.press('Control+Enter');
    await within(MOVE_MS_MAX, 'the reason', async () =>
      /nothing_like_it/.test((await page.locator('.problem').allTextContents()).join()),
    );
    await page.keyboard.press('Control+a');
    await page.keyboard.type('SELECT count(*) AS n FROM e2e_orders');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+Enter');
    await within(MOVE_MS_MAX, 'the answer', async () => (await page.locator('.result td.number').count()) > 0);
    assert.equal(await page.locator('.problem').count(), 0);
    assert.match(await page.evaluate('location.hash'), /sql=SELECT\+count/);
    await close();
  },

  async 'the streams page lists a stream and its page follows it'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '#/streams');
    await within(MOVE_MS_MAX, 'the stream in the list', async () =>
      (await page.locator('.list-link').allTextContents()).includes('e2e_orders'),
    );
    await page.locator('.list-link', { hasText: 'e2e_orders' }).click();
    const first = page
      .locator('.tail tbody tr')
      .filter({ visible: true, has: page.locator('td') })
      .first();
    await within(MOVE_MS_MAX, 'the newest event', async () => (await page.locator('.tail td').count()) > 0);
    await server.post('e2e_orders', { item: 'tail-probe', total: 1 });
    await within(SEEN_MS_MAX, 'the posted event on top', async () => /tail-probe/.test(await first.innerText()));
    assert.deepEqual(problems, []);
    await close();
  },

  async 'killed and restarted, the server is found again without a blank frame'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '#/boards/infra');
    await within(MOVE_MS_MAX, 'a value', async () => /\d/.test(await stat(page, 'Memory').textContent()));
    await within(MOVE_MS_MAX, 'a chart', async () => (await page.locator('.uplot').count()) >= 4);
    await server.stop('SIGKILL');
    const pill = page.locator('.pill');
    await within(MOVE_MS_MAX, 'the offline pill', async () =>
      /offline, last known \d\d:\d\d:\d\d/.test(await pill.innerText()),
    );
    assert.match(await stat(page, 'Memory').textContent(), /\d/);
    const before = await page.locator('.instant').textContent();
    await server.start();
    await within(RECOVER_MS_MAX, 'the link to come back', async () => /^Live/.test((await pill.innerText()).trim()));
    await within(
      RECOVER_MS_MAX,
      'the board to move on',
      async () => (await page.locator('.instant').textContent()) !== before,
    );
    assert.deepEqual(await page.evaluate('window.blanks'), []);
    assert.deepEqual(problems, []);
    await close();
  },

  async 'a part that cannot be fetched is fetched again, and one that is gone says so in its place'({
    browser,
    server,
  }) {
    const { page, problems, close } = await openPage(browser, server, '#/streams', { watch: false });
    await page.locator('a[href^="#/streams/"]').first().waitFor();
    let refused = 0;
    await page.route('**/assets/richPanels*', (route) => (refused++ < 2 ? route.abort() : route.continue()));
    await page.goto(`${server.url}/#/boards/infra`);
    await within(MOVE_MS_MAX, 'a value', async () => /\d/.test(await stat(page, 'Memory').textContent()));
    await within(
      MOVE_MS_MAX,
      'the bars',
      async () => (await page.locator('.panel[data-type=heatmap] canvas').count()) > 0,
    );
    assert.ok(refused > 2, 'it was refused, and asked for again');
    assert.deepEqual(
      problems.filter((problem) => !/ERR_FAILED/.test(problem)),
      [],
    );

    await page.route('**/assets/explorer*', (route) => route.abort());
    await page.getByRole('link', { name: 'Explore' }).click();
    await page.getByText('This part could not be shown.').waitFor();
    await page.unroute('**/assets/explorer*');
    await page.getByRole('button', { name: 'Load the page again' }).click();
    await page.getByRole('button', { name: 'Run' }).waitFor();
    await close();
  },

  async 'a phone shows everything without scrolling sideways'({ browser, server }) {
    for (const hash of ['', '#/boards/infra', '#/design', '#/streams', '#/streams/e2e_orders', '#/explore']) {
      const { page, problems, close } = await openPage(browser, server, hash, {
        viewport: { width: 390, height: 844 },
      });
      await within(MOVE_MS_MAX, 'a panel', async () => (await page.locator('.panel').count()) > 0);
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      assert.ok(overflow <= 0, `${hash || 'the board'} is ${overflow} px too wide`);
      assert.deepEqual(problems, []);
      await close();
    }
  },

  async 'keys lead everywhere and pause the board'({ browser, server }) {
    const { page, close } = await openPage(browser, server, '#/boards/infra');
    await within(MOVE_MS_MAX, 'a value', async () => /\d/.test(await stat(page, 'CPU').textContent()));
    await page.keyboard.press('Space');
    const still = await page.locator('.instant').textContent();
    assert.equal(await page.locator('.play').getAttribute('aria-pressed'), 'true');
    // Long enough for several seconds' worth of frames; none may show.
    await page.waitForTimeout(2_500);
    assert.equal(await page.locator('.instant').textContent(), still);
    await page.keyboard.press('Space');
    await within(
      MOVE_MS_MAX,
      'the board to go on',
      async () => (await page.locator('.instant').textContent()) !== still,
    );
    for (const [keys, heading] of [
      ['gs', 'Streams'],
      ['ge', 'Explore'],
      ['gb', 'This machine'],
      ['gh', 'Pulseboard'],
    ]) {
      await page.locator('h1:visible').click();
      for (const key of keys) {
        await page.keyboard.press(key);
      }
      await within(MOVE_MS_MAX, heading, async () => (await page.locator('h1:visible').textContent()) === heading);
    }
    await page.keyboard.press('?');
    await within(MOVE_MS_MAX, 'the help', () => page.locator('dialog.help').isVisible());
    await close();
  },
};

await runSuite({
  ...nodeTests,
  ...pageTests,
  ...alertTests,
  ...boardTests,
  ...lookTests,
  ...connectionTests,
  ...crowdTests,
  ...displayTests,
  ...editorTests,
  ...doorTests,
});
