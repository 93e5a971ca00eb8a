/** The shipped configuration of nginx in front of a server, on a port of its own, ended when the bench ends. */

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../e2e/server.mjs';
import { within } from '../e2e/wait.mjs';

const SHIPPED = new URL('../../../deploy/nginx/pulseboard.conf', import.meta.url);
const START_MS_MAX = 10_000;

export async function startNginx(server) {
  const dir = await mkdtemp(join(tmpdir(), 'pulseboard-nginx-'));
  const port = await freePort();
  const site = (await readFile(SHIPPED, 'utf8'))
    .replace('127.0.0.1:8080', `127.0.0.1:${server.port}`)
    .replace('listen 80;', `listen 127.0.0.1:${port};`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const config = [
    `pid ${dir}/nginx.pid;`,
    'events {}',
    'http {',
    'access_log off;',
    'types { text/html html; text/css css; text/javascript js; image/svg+xml svg; font/woff2 woff2; }',
    ...temporary.map((name) => `${name}_temp_path ${dir}/${name};`),
    site,
    '}',
  ];
  await writeFile(join(dir, 'nginx.conf'), config.join('\n'));
  const args = ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log'), '-g', 'daemon off;'];
  const child = spawn(process.env.NGINX_BIN ?? 'nginx', args, { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  await within(START_MS_MAX, 'nginx', async () => (await fetch(`${url}/health/live`).catch(() => null))?.ok === true);
  return {
    url,
    port,
    async close() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
      await rm(dir, { recursive: true, force: true });
    },
  };
}
