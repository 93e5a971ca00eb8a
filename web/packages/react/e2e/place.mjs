/** Where pages come from in these tests: folders that are served, commands that are run, pages whose complaints are kept. */

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' };

/** Serves a folder on a port of its own. */
export async function serveFolder(folder) {
  const server = createServer(async ({ url }, response) => {
    const path = normalize(new URL(url, 'http://x').pathname).replace(/\/$/, '/index.html');
    const body = await readFile(join(folder, path)).catch(() => null);
    response.writeHead(body === null ? 404 : 200, {
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
    });
    response.end(body ?? '');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}

/** Runs a command to its end; its output is shown only when it fails. */
export async function run(command, args, cwd, env = {}) {
  // Building the gallery in this process leaves its mark, which would keep npm from installing what builds.
  const { NODE_ENV: _, ...outer } = process.env;
  const child = spawn(command, args, { cwd, env: { ...outer, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.on('data', (data) => {
    output += data;
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output.slice(-6_000)}`);
  }
  return output;
}

/** Opens a page and collects what it complains of. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, ...options });
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    // Requests to a server that was killed on purpose are told by the browser itself.
    if (
      message.type() === 'error' &&
      !/ERR_CONNECTION|WebSocket connection|Failed to load resource/.test(message.text())
    ) {
      problems.push(message.text());
    }
  });
  await page.goto(url);
  return { page, problems, close: () => context.close() };
}
