/** Holds each entry point to its budget: all that it exports, bundled, minified and gzipped; React and the client apart. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';

const KB = 1_024;

/** What is built, and the most that it may weigh. A text in braces is a page that uses only this much of the whole. */
const BUDGETS = [
  ['format', "export * from './format/index.js'", 4],
  ['fetch', "export * from './fetch/index.js'", 4],
  ['store', "export * from './store/index.js'", 6],
  ['swr', "export * from './swr/index.js'", 5],
  ['hooks', "export * from './hooks/index.js'", 11],
  ['charts', "export * from './charts/index.js'", 34],
  ['index', "export * from './index.js'", 70],
  ['{ Gauge }', "export { Gauge } from './index.js'", 6],
  ['{ useLiveQuery }', "export { useLiveQuery } from './index.js'", 4],
  ['{ DataTable }', "export { DataTable } from './index.js'", 16],
];
const STYLES_BYTES_MAX = 8 * KB;

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const external = [/^react(-dom)?($|\/)/, /^swr($|\/)/, /^@pulseboard\/client/];
const entry = 'virtual:entry';

/** Bytes of the entry and of all that it needs at once; what is loaded when it is asked for is not counted. */
async function weigh(code) {
  const plugin = {
    name: 'entry',
    resolveId: (id) => (id === entry ? `${dist}/entry.js` : null),
    load: (id) => (id === `${dist}/entry.js` ? code : null),
  };
  const bundle = await rolldown({ input: entry, external, plugins: [plugin], onLog: () => {} });
  const { output } = await bundle.generate({ minify: true, format: 'esm' });
  const chunks = new Map(output.map((chunk) => [chunk.fileName, chunk]));
  const needed = new Set();
  const need = (name) => {
    const chunk = chunks.get(name);
    if (chunk !== undefined && !needed.has(name)) {
      needed.add(name);
      for (const each of chunk.imports) {
        need(each);
      }
    }
  };
  for (const { fileName } of output.filter(({ isEntry }) => isEntry)) {
    need(fileName);
  }
  return [...needed].reduce((sum, name) => sum + gzipSync(chunks.get(name).code, { level: 9 }).length, 0);
}

let over = false;
for (const [name, code, budget] of BUDGETS) {
  const bytes = await weigh(code);
  console.log(`react/${name} ${(bytes / KB).toFixed(1)} of ${budget} KB gzip`);
  over ||= bytes > budget * KB;
}
const sheets = ['tokens', 'base', 'cards', 'lists', 'table', 'charts'];
const styles = sheets.map((name) => readFileSync(new URL(`../styles/${name}.css`, import.meta.url))).join('');
const bytes = gzipSync(styles, { level: 9 }).length;
console.log(`react/styles.css ${(bytes / KB).toFixed(1)} of ${STYLES_BYTES_MAX / KB} KB gzip`);
if (over || bytes > STYLES_BYTES_MAX) {
  console.error('an entry point is over its budget');
  process.exit(1);
}
