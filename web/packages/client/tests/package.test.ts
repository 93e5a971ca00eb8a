import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const TSC = fileURLToPath(new URL('../../../node_modules/.bin/tsc', import.meta.url));
const PACK_MS_MAX = 120_000;

/** A program that uses the package as its users do, types included. */
const PROGRAM = `
import { PulseClient, type ConnectionState } from '@pulseboard/client';
import { FakeServer, FakeWorld } from '@pulseboard/client/testing';

const server = new FakeServer();
server.view('view:a', [{ name: 'k', type: 'string', key: true }, { name: 'n', type: 'int' }]);
server.set('view:a', 'x', { k: 'x', n: 41 });
const world = new FakeWorld({ server });
const client = new PulseClient({ url: 'http://pulse.test/api/v1/', environment: world });
const channel = client.subscribe({ channels: ['view:a'] }).channel('view:a');
await world.advance(100);
server.set('view:a', 'x', { n: 42 });
await world.advance(100);
const state: ConnectionState = client.connection;
const row = channel.kind === 'keyed' ? channel.table.row('x') : undefined;
console.log(JSON.stringify([state, row]));
const real = new PulseClient({ url: 'http://127.0.0.1:9/api/v1/' });
real.close();
`;

/** The documents whose examples must be programs. */
const DOCUMENTS = ['../README.md', '../../../../docs/guide/client.md', '../../../../docs/guide/live.md'];

/** What an example that makes no client of its own may use. */
const PRELUDE = "import type { PulseClient } from '@pulseboard/client';\ndeclare const client: PulseClient;\n";

function examples(): string[] {
  return DOCUMENTS.flatMap((path) => {
    const text = readFileSync(new URL(path, import.meta.url), 'utf8');
    return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) =>
      code.includes('import ') ? code : PRELUDE + code,
    );
  });
}

let folder = '';
let packed: { files: { path: string }[] };

function run(command: string, args: string[], cwd: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`);
  }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pulseboard-package-'));
  // What the build prints would stand before the JSON.
  run('npm', ['run', '--silent', 'prepack'], PACKAGE);
  const answer = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], PACKAGE);
  [packed] = JSON.parse(answer);
  const home = join(folder, 'node_modules/@pulseboard/client');
  mkdirSync(home, { recursive: true });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
  run('tar', ['-xzf', join(folder, tarball), '--strip-components=1', '-C', home], folder);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'program.ts'), PROGRAM);
}, PACK_MS_MAX);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the package', () => {
  it('holds the code, its types, its sources, a README and the licences, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['README.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'package.json']));
    expect(paths).toEqual(
      expect.arrayContaining(['dist/index.js', 'dist/index.d.ts', 'dist/testing/index.js', 'src/index.ts']),
    );
    const other = /^(README\.md|LICENSE-(MIT|APACHE)|package\.json|src\/.*\.ts|dist\/.*\.(js|d\.ts)(\.map)?)$/;
    expect(paths.filter((path) => !other.test(path))).toEqual([]);
    // One file of code and one of types for each source: nothing of an earlier build.
    const sources = paths.filter((path) => path.startsWith('src/'));
    const built = paths.filter((path) => /^dist\/.*\.js$/.test(path));
    expect(built.map((path) => path.replace(/^dist/, 'src').replace(/js$/, 'ts')).sort()).toEqual(sources.sort());
  });

  it(
    'is typed for programs that resolve modules as Node does, and runs in Node',
    () => {
      const options = [
        '--module',
        'nodenext',
        '--target',
        'es2023',
        '--strict',
        '--skipLibCheck',
        'false',
        '--lib',
        'es2023,dom',
        '--types',
        '',
      ];
      const names = examples().map((code, index) => {
        const name = `example${index}.ts`;
        writeFileSync(join(folder, name), code);
        return name;
      });
      expect(names.length).toBeGreaterThan(5);
      run(TSC, [...options, 'program.ts', ...names], folder);
      const [state, row] = JSON.parse(run('node', ['program.js'], folder));
      expect(state).toEqual({ status: 'open', transport: 'websocket' });
      expect(row).toEqual(['x', 42]);
    },
    PACK_MS_MAX,
  );
});
