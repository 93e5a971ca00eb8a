/** Holds each entry point to its budget: all that it exports, bundled, minified and gzipped; React and the client apart. */

import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const KB = 1_024;

/** The entry points with the most that they may weigh. */
const BUDGETS = [
  ['format', 'format/index.js', 4],
  ['charts', 'charts/index.js', 33],
  ['all', 'index.js', 60],
];

const external = [/^react(-dom)?($|\/)/, /^@pulseboard\/client/];
let over = false;

for (const [name, file, budget] of BUDGETS) {
  const input = fileURLToPath(new URL(`../dist/${file}`, import.meta.url));
  const bundle = await rolldown({ input, external, onLog: () => {} });
  const { output } = await bundle.generate({ minify: true, format: 'esm' });
  // What is only loaded when it is asked for is another chunk, and not counted.
  const code = output.filter(({ type, isEntry, isDynamicEntry }) => type === 'chunk' && isEntry && !isDynamicEntry);
  const bytes = code.reduce((sum, chunk) => sum + gzipSync(chunk.code, { level: 9 }).length, 0);
  console.log(`react/${name} ${(bytes / KB).toFixed(1)} of ${budget} KB gzip`);
  over ||= bytes > budget * KB;
}
if (over) {
  console.error('an entry point is over its budget');
  process.exit(1);
}
