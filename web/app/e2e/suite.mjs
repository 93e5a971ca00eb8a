/**
 * Runs tests one after the other against one real server and one Chromium, and says what came of them, as TAP does.
 *
 * What a failed test leaves behind does not fail the next one: its pages are closed and the server is started if it is gone.
 * A test that stands still fails at its deadline, and a failed one says what it asked of the browser last.
 * It never runs a test twice.
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchOptions } from '../dev/browser.mjs';
import { Server } from './server.mjs';

/** Several times what the slowest test takes on a busy machine. */
const TEST_MS_MAX = 240_000;
const CLOSE_MS_MAX = 10_000;
const CALLS_SHOWN = 12;

/** Runs those of `all` whose names have the word in `ONLY`, and ends the process. `PULSEBOARD_BIN` is the server. */
export async function runSuite(all) {
  const binary = process.env.PULSEBOARD_BIN;
  if (binary === undefined) {
    console.error('set PULSEBOARD_BIN to the server to test');
    process.exit(2);
  }
  const tests = Object.entries(all).filter(([name]) => name.includes(process.env.ONLY ?? ''));
  const server = await Server.create(binary);
  const notes = await mkdtemp(join(tmpdir(), 'pulseboard-calls-'));
  const calls = join(notes, 'calls.log');
  // Read once, where the driver is loaded.
  Object.assign(process.env, { DEBUG: 'pw:api', DEBUG_FILE: calls });
  const { chromium } = await import('playwright-core');
  let browser = await chromium.launch(launchOptions);
  const counts = { passed: 0, failed: 0 };
  try {
    await server.start();
    for (const [index, [name, test]] of tests.entries()) {
      try {
        await before(TEST_MS_MAX, 'the end of the test', test({ browser, server }));
        counts.passed += 1;
        console.log(`ok ${index + 1} - ${name}`);
      } catch (error) {
        counts.failed += 1;
        console.log(`not ok ${index + 1} - ${name}\n${indented(error.stack ?? error)}`);
        console.log(`# of the browser it asked last:\n${indented(await lastLines(calls))}`);
        const closed = Promise.all(browser.contexts().map((context) => context.close()));
        await before(CLOSE_MS_MAX, 'its pages to close', closed).catch(async () => {
          browser = await chromium.launch(launchOptions);
        });
        await server.start().catch(() => {});
      }
    }
  } catch (error) {
    counts.failed += 1;
    console.log(`not ok - the server starts\n${indented(error.message)}`);
  } finally {
    // What does not close ends with this process.
    await before(CLOSE_MS_MAX, 'the browser to close', browser.close()).catch(() => {});
    await server.destroy();
    await rm(notes, { recursive: true, force: true });
  }
  if (counts.failed > 0) {
    console.log(`# the server said:\n${String(server.output).replace(/^/gm, '#   ')}`);
  }
  console.log(`1..${tests.length}`);
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exit(counts.failed === 0 ? 0 : 1);
}

/** What `work` comes to, or an error if that takes too long. */
async function before(deadline_ms, what, work) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadline_ms} ms for ${what}`)), deadline_ms);
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
}

async function lastLines(file) {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  return lines.slice(-CALLS_SHOWN).join('\n');
}

function indented(text) {
  return String(text).replace(/^/gm, '    ');
}
