/** Holds the package to its budget: everything that `index.js` exports, bundled, minified and gzipped. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const CODE_BYTES_MAX = 15 * 1_024;

const input = fileURLToPath(new URL('../dist/index.js', import.meta.url));
const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const bundle = await rolldown({ input, onLog: () => {} });
const { output } = await bundle.generate({ minify: true, format: 'esm' });
const bytes = output.reduce((sum, { code }) => sum + gzipSync(code ?? '', { level: 9 }).length, 0);
console.log(`client ${(bytes / 1_024).toFixed(1)} of ${CODE_BYTES_MAX / 1_024} KB gzip`);
if (bytes > CODE_BYTES_MAX) {
  console.error('the client is over its budget');
  process.exit(1);
}
if (dependencies !== undefined) {
  console.error('the client has dependencies; it is to have none');
  process.exit(1);
}
