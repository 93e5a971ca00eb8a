/** The package as it is published: what is in it, whether its exports hold, and whether every example in its documents compiles. */

import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { PACKAGES, packages } from './packed.mjs';
import { run } from './place.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const MODULES = path('../../../node_modules');
const DOCUMENTS = ['../README.md', '../../../../docs/guide/react.md'];

/** A program that renders with every entry point, as a server would. */
const PROGRAM = `
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { Gauge, PulseboardProvider, useLiveQuery } from '@pulseboard/react';
import { useConnection } from '@pulseboard/react/hooks';
import { ColumnBuffer } from '@pulseboard/react/charts';
import { resilientFetch } from '@pulseboard/react/fetch';
import { formatCompact } from '@pulseboard/react/format';
import { createLiveStore } from '@pulseboard/react/store';
import { useRealtimeData } from '@pulseboard/react/swr';

function Page() {
  const { state } = useConnection();
  const { status } = useLiveQuery('orders');
  return createElement('p', null, state.status, ' ', status, ' ', formatCompact(12_345, { locale: 'en-US' }));
}
const buffer = new ColumnBuffer({ points_max: 2 });
buffer.append(1, 5);
createLiveStore().getState().setMetric('orders', 1);
const html = renderToStaticMarkup(createElement(PulseboardProvider, null, createElement(Page), createElement(Gauge, { value: 40 })));
console.log(JSON.stringify([html.includes('role="meter"'), /<p>(.*?)<\\/p>/.exec(html)?.[1], buffer.times, typeof resilientFetch, typeof useRealtimeData]));
`;

/** A folder in which the packed packages are installed beside everything else that there is. */
async function project() {
  const folder = await packages();
  const home = join(folder, 'project');
  await mkdir(join(home, 'node_modules/@pulseboard'), { recursive: true });
  for (const name of await readdir(MODULES)) {
    if (name !== '@pulseboard' && !name.startsWith('.')) {
      await symlink(join(MODULES, name), join(home, 'node_modules', name)).catch(() => {});
    }
  }
  for (const name of Object.keys(PACKAGES)) {
    await cp(join(folder, name, 'package'), join(home, 'node_modules/@pulseboard', name), { recursive: true });
  }
  await writeFile(join(home, 'package.json'), '{"type":"module"}');
  return home;
}

/** The types that examples name. */
const TYPES = 'Candle, DataColumn, LiveChartHandle, PriceChartHandle';

/** The examples of the documents. One that imports nothing may use all that the package exports. */
async function examples(home) {
  const names = "console.log(Object.keys(await import('@pulseboard/react')).join())";
  await writeFile(join(home, 'names.mjs'), names);
  const exported = (await run('node', ['names.mjs'], home)).trim();
  const prelude = `import { ${exported} } from '@pulseboard/react';\nimport type { ${TYPES} } from '@pulseboard/react';\nimport { useRef, useState } from 'react';\n`;
  const texts = await Promise.all(DOCUMENTS.map((each) => readFile(path(each), 'utf8')));
  return texts.flatMap((text) =>
    [...text.matchAll(/^```tsx\n(.*?)^```$/gms)].map(([, code]) => (/^import /m.test(code) ? code : prelude + code)),
  );
}

const STRICT = [
  '--strict',
  '--target',
  'es2023',
  '--lib',
  'es2023,dom,dom.iterable',
  '--jsx',
  'react-jsx',
  '--noEmit',
  '--types',
  '',
];

export const packageTests = {
  async 'the package holds code, types, sources, styles and licences, and nothing else'() {
    const home = join(await packages(), 'react/package');
    const files = (await readdir(home, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(home.length + 1));
    const allowed =
      /^(README\.md|LICENSE-(MIT|APACHE)|package\.json|styles\/\w+\.(css|d\.ts)|src\/.*\.tsx?|dist\/.*\.(js|d\.ts)(\.map)?)$/;
    assert.deepEqual(
      files.filter((file) => !allowed.test(file)),
      [],
    );
    const sources = files
      .filter((file) => file.startsWith('src/'))
      .map((file) => file.replace(/^src(.*)\.tsx?$/, 'dist$1.js'));
    assert.deepEqual(
      files.filter((file) => /^dist\/.*\.js$/.test(file)).sort(),
      sources.sort(),
      'one file of code for each source',
    );
  },

  async 'every file that needs a browser says `use client`, and none that servers may use does'() {
    const home = join(await packages(), 'react/package/dist');
    const files = (await readdir(home, { recursive: true })).filter((file) => file.endsWith('.js'));
    for (const file of files) {
      const text = await readFile(join(home, file), 'utf8');
      const isClient = /^(\s|\/\*.*?\*\/|\/\/[^\n]*)*'use client'/s.test(text);
      const usesHooks = /\buse(State|Effect|Ref|SyncExternalStore|Context|Memo)\(/.test(text);
      assert.ok(!usesHooks || isClient, `${file} uses hooks without saying so`);
      assert.ok(
        !isClient || !/^(format|charts|fetch)\/|^index\.js$|\/index\.js$/.test(file) || file === 'swr/index.js',
        `${file} is for servers, too`,
      );
    }
  },

  async 'publint finds nothing to say'() {
    const { messages, pkg } = await publint({
      pkgDir: join(await packages(), 'react/package'),
      pack: false,
      strict: true,
    });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg, { color: false })),
      [],
    );
  },

  async 'it is typed for Node and for bundlers, runs in Node, and every example of its documents compiles'() {
    const home = await project();
    await writeFile(join(home, 'program.ts'), PROGRAM);
    const codes = await examples(home);
    assert.ok(codes.length > 10, `only ${codes.length} examples`);
    const names = await Promise.all(
      codes.map(async (code, index) => {
        await writeFile(join(home, `example${index}.tsx`), code);
        return `example${index}.tsx`;
      }),
    );
    const tsc = join(MODULES, '.bin/tsc');
    // Strangers may check the types of what they install.
    await run(tsc, [...STRICT, '--module', 'nodenext', '--skipLibCheck', 'false', 'program.ts'], home);
    await run(
      tsc,
      [
        ...STRICT,
        '--module',
        'esnext',
        '--moduleResolution',
        'bundler',
        '--skipLibCheck',
        'false',
        'program.ts',
        ...names,
      ],
      home,
    );
    await run(
      tsc,
      [...STRICT.filter((option) => option !== '--noEmit'), '--module', 'nodenext', '--skipLibCheck', 'program.ts'],
      home,
    );
    const told = JSON.parse(await run('node', ['program.js'], home));
    assert.deepEqual(told, [true, 'idle loading 12.3K', [1], 'function', 'function']);
  },
};
