/**
 * The package as it would be published, the components in the system's Chromium, and the examples as a stranger has them: installed from packed packages, built,
 * and driven against the real server.
 *
 * `PULSEBOARD_BIN=path/to/pulseboard npm run e2e`. `ONLY=word` runs the tests whose names have the word.
 */

import { chromium } from 'playwright-core';
import { launchOptions } from '../../../app/dev/browser.mjs';
import { Server } from '../../../app/e2e/server.mjs';
import { exampleTests } from './examples.mjs';
import { galleryTests } from './gallery.mjs';
import { packageTests } from './package.mjs';

const binary = process.env.PULSEBOARD_BIN;
if (binary === undefined) {
  console.error('set PULSEBOARD_BIN to the server to test');
  process.exit(2);
}

const only = process.env.ONLY ?? '';
const tests = Object.entries({ ...packageTests, ...galleryTests, ...exampleTests }).filter(([name]) =>
  name.includes(only),
);
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
      console.log(`not ok ${index + 1} - ${name}\n${String(error.stack ?? error).replace(/^/gm, '    ')}`);
      await server.start().catch(() => {});
    }
  }
} catch (error) {
  counts.failed += 1;
  console.log(`not ok - the server starts\n${error.message}`);
} finally {
  await browser.close();
  await server.destroy();
}
console.log(`1..${tests.length}`);
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 ? 0 : 1);
