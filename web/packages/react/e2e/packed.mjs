/** Both packages as they would be published: built, packed and unpacked, once for all tests. */

import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './place.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

/** Where each package lives, by its short name. */
export const PACKAGES = { client: path('../../client'), react: path('..') };

let packed = null;

/** The folder in which `NAME/package` is each of them. */
export function packages() {
  packed ??= (async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pulseboard-packed-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    for (const [name, home] of Object.entries(PACKAGES)) {
      await run('npm', ['run', '--silent', 'prepack'], home);
      const to = join(folder, name);
      await mkdir(to);
      await run('npm', ['pack', '--ignore-scripts', '--pack-destination', to], home);
      const [tarball] = await readdir(to);
      await run('tar', ['-xzf', tarball], to);
    }
    return folder;
  })();
  return packed;
}
