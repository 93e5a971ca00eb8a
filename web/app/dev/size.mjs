/** Holds the first page to its budget: all JS and CSS that `index.html` asks for, gzipped; fonts apart. */

import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const CODE_BYTES_MAX = 150 * 1_024;
const FONT_BYTES_MAX = 80 * 1_024;

const dist = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));
const page = readFileSync(dist('index.html'), 'utf8');
const assets = [...page.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, path]) => path);
const gzipped = (path) => gzipSync(readFileSync(dist(path)), { level: 9 }).length;
const code = assets.filter((path) => /\.(js|css)$/.test(path)).map((path) => [path, gzipped(path)]);
const fonts = assets.filter((path) => path.endsWith('.woff2')).map((path) => [path, statSync(dist(path)).size]);
const sum = (list) => list.reduce((total, [, bytes]) => total + bytes, 0);

for (const [path, bytes] of [...code, ...fonts]) {
  console.log(`${(bytes / 1_024).toFixed(1).padStart(7)} KB  ${path}`);
}
console.log(`code ${(sum(code) / 1_024).toFixed(1)} of ${CODE_BYTES_MAX / 1_024} KB gzip`);
console.log(`fonts ${(sum(fonts) / 1_024).toFixed(1)} of ${FONT_BYTES_MAX / 1_024} KB`);
if (code.length === 0 || sum(code) > CODE_BYTES_MAX || sum(fonts) > FONT_BYTES_MAX) {
  console.error('the first page is over its budget');
  process.exit(1);
}
