/** The examples, as a stranger has them: the packages are packed and installed, the page is built and driven in a browser. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { within } from '../../../app/e2e/wait.mjs';
import { PACKAGES, packages } from './packed.mjs';
import { openPage, run, serveFolder } from './place.mjs';

const SEEN_MS_MAX = 20_000;
const RECOVER_MS_MAX = 30_000;
const START_MS_MAX = 60_000;

const EXAMPLES = fileURLToPath(new URL('../../../../examples', import.meta.url));
const time_ms = async (file) => (await stat(file).catch(() => null))?.mtimeMs ?? 0;

/** Installs what an example needs, if that is not there yet, and the packages as they are now. */
async function install(home) {
  const folder = await packages();
  const lock = await time_ms(join(home, 'package-lock.json'));
  if ((await time_ms(join(home, 'node_modules/.package-lock.json'))) < lock) {
    await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], home);
  }
  for (const name of Object.keys(PACKAGES)) {
    const to = join(home, 'node_modules/@pulseboard', name);
    await rm(to, { recursive: true, force: true });
    await run('cp', ['-r', join(folder, name, 'package'), to], home);
  }
}

async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Starts a program that serves a page, in a process group of its own, and waits until it answers. */
async function startSite(command, args, cwd, env, url) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: 'ignore', detached: true });
  const stop = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  };
  try {
    await within(START_MS_MAX, 'the site to answer', async () => (await fetch(url).catch(() => null))?.ok === true);
  } catch (error) {
    stop();
    throw error;
  }
  return stop;
}

const value = (page, title) =>
  page.locator('.pb-metric', { has: page.locator('h3', { hasText: title }) }).locator('.pb-metric-value');
const link = (page) => page.locator('.pb-link');

export const exampleTests = {
  async 'examples/react: cards, a chart and the link are live, stay through a restart, and go on'({ browser, server }) {
    const home = join(EXAMPLES, 'react');
    await install(home);
    await run('npm', ['run', 'build'], home, { VITE_PULSEBOARD_URL: server.url });
    const served = await serveFolder(join(home, 'dist'));
    const { page, problems, close } = await openPage(browser, served.url);
    try {
      for (const title of ['CPU', 'Memory']) {
        await within(
          SEEN_MS_MAX,
          `a value of ${title}`,
          async () => (await value(page, title).locator('number-flow-react').count()) === 1,
        );
      }
      await within(SEEN_MS_MAX, 'lines of cores', async () => (await page.locator('.pb-legend > li').count()) > 0);
      await within(SEEN_MS_MAX, 'the link', async () => /^Live/.test(await link(page).textContent()));
      await server.stop('SIGKILL');
      await within(SEEN_MS_MAX, 'the loss to be told', async () =>
        /offline, last known/.test(await link(page).textContent()),
      );
      assert.equal(await value(page, 'CPU').locator('number-flow-react').count(), 1, 'the last known value stays');
      assert.equal(await page.locator('.pb-metric[data-dim="true"]').count(), 2, 'and looks old');
      await server.start();
      await within(RECOVER_MS_MAX, 'the link to come back', async () => /^Live/.test(await link(page).textContent()));
      await within(
        RECOVER_MS_MAX,
        'fresh cards',
        async () => (await page.locator('.pb-metric[data-dim="true"]').count()) === 0,
      );
      assert.deepEqual(problems, []);
    } finally {
      await close();
      await served.close();
    }
  },

  async 'examples/next: rendered on the server, hydrated without complaint, live in the browser'({ browser, server }) {
    const home = join(EXAMPLES, 'next');
    await server.post('example_orders', [
      { item: 'flask', total: 24.5 },
      { item: 'shell', total: 90 },
    ]);
    await install(home);
    const env = { PULSEBOARD_URL: server.url, NEXT_TELEMETRY_DISABLED: '1' };
    await run('npm', ['run', 'build'], home, env);
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const stop = await startSite('npx', ['next', 'start', '-H', '127.0.0.1', '-p', String(port)], home, env, url);
    try {
      const html = await (await fetch(url)).text();
      assert.match(html, /<b id="rendered">2<\/b>/, 'the HTML has what was known');
      assert.match(html, /pb-metric/, 'and the cards');
      const { page, problems, close } = await openPage(browser, url);
      await within(
        SEEN_MS_MAX,
        'both orders',
        async () => (await value(page, 'Orders').locator('number-flow-react').count()) === 1,
      );
      const rows = page.locator('.pb-table-body > .pb-table-row');
      await within(SEEN_MS_MAX, 'both products', async () => (await rows.count()) === 2);
      await server.post('example_orders', { item: 'flask', total: 0.5 });
      const flask = rows.filter({ hasText: 'flask' });
      await within(SEEN_MS_MAX, 'the new order', async () =>
        /2.*€25\.00/.test((await flask.innerText()).replace(/\s+/g, ' ')),
      );
      assert.deepEqual(problems, []);
      await close();
    } finally {
      stop();
    }
  },
};
