/**
 * Runs tests one after the other against one real server and one Chromium, and says what came of them, as TAP does.
 *
 * What a failed test leaves behind does not fail the next one: its pages are closed and the server is started if it is gone.
 * It never runs a test twice.
 */

import { chromium } from 'playwright-core';
import { launchOptions } from '../dev/browser.mjs';
import { Server } from './server.mjs';

/** Runs those of `all` whose names have the word in `ONLY`, and ends the process. `PULSEBOARD_BIN` is the server. */
export async function runSuite(all) {
  const binary = process.env.PULSEBOARD_BIN;
  if (binary === undefined) {
    console.error('set PULSEBOARD_BIN to the server to test');
    process.exit(2);
  }
  const tests = Object.entries(all).filter(([name]) => name.includes(process.env.ONLY ?? ''));
  const server = await Server.create(binary);
  const browser = await chromium.launch(launchOptions);
  const counts = { passed: 0, failed: 0 };
  try {
    await server.start();
    for (const [index, [name, test]] of tests.entries()) {
      try {
        await test({ browser, server });
        counts.passed += 1;
        console.log(`ok ${index + 1} - ${name}`);
      } catch (error) {
        counts.failed += 1;
        console.log(`not ok ${index + 1} - ${name}\n${indented(error.stack ?? error)}`);
        await Promise.all(browser.contexts().map((context) => context.close()));
        await server.start().catch(() => {});
      }
    }
  } catch (error) {
    counts.failed += 1;
    console.log(`not ok - the server starts\n${indented(error.message)}`);
  } finally {
    await browser.close();
    await server.destroy();
  }
  if (counts.failed > 0) {
    console.log(`# the server said:\n${String(server.output).replace(/^/gm, '#   ')}`);
  }
  console.log(`1..${tests.length}`);
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exit(counts.failed === 0 ? 0 : 1);
}

function indented(text) {
  return String(text).replace(/^/gm, '    ');
}
