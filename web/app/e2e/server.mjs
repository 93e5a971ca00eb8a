/** The real server for a test: its own port, its own data directory, ended when the test ends. */

import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { within } from './wait.mjs';

const START_MS_MAX = 30_000;

/** The boards of these tests, beside those that the server brings along. */
const BOARDS = fileURLToPath(new URL('boards', import.meta.url));
const CONFIG = 'boards = "boards"\n\n[[sources]]\nkind = "host"\n';

/** A port that was free a moment ago. */
export async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

export class Server {
  #process = null;
  #output = '';

  constructor(binary, dir, port) {
    this.binary = binary;
    this.dir = dir;
    this.url = `http://127.0.0.1:${port}`;
    this.port = port;
  }

  /** `boards` is the folder that it shows boards from. */
  static async create(binary, boards = BOARDS) {
    const dir = await mkdtemp(join(tmpdir(), 'pulseboard-e2e-'));
    await cp(boards, join(dir, 'boards'), { recursive: true });
    await writeFile(join(dir, 'pulseboard.toml'), CONFIG);
    return new Server(binary, dir, await freePort());
  }

  get #alive() {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Starts it and waits until it is ready. Does nothing if it runs. */
  async start() {
    if (this.#alive) {
      return;
    }
    const place = ['--data-dir', join(this.dir, 'data'), '--listen', `127.0.0.1:${this.port}`];
    const args = ['serve', '--config', join(this.dir, 'pulseboard.toml'), ...place];
    const child = spawn(this.binary, args, { cwd: this.dir, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    const keep = (data) => {
      this.#output = (this.#output + data).slice(-8_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    await within(START_MS_MAX, 'the server to be ready', async () => {
      if (child.exitCode !== null) {
        throw new Error(`the server ended with ${child.exitCode}:\n${this.#output}`);
      }
      const response = await fetch(`${this.url}/health/ready`).catch(() => null);
      return response?.ok === true;
    });
  }

  /** Ends it with a signal and waits until it is gone. */
  async stop(signal) {
    const child = this.#process;
    if (!this.#alive) {
      return;
    }
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  async destroy() {
    await this.stop('SIGKILL');
    await rm(this.dir, { recursive: true, force: true });
  }

  /** What this server serves of the client's transports, from the best to the last resort. */
  async transports() {
    const { status } = await fetch(`${this.url}/api/v1/live/poll`);
    return status === 501 ? ['websocket', 'sse'] : ['websocket', 'sse', 'longpoll', 'poll'];
  }

  /** Sends events and returns the server's answer. */
  async post(stream, events) {
    const response = await fetch(`${this.url}/api/v1/streams/${stream}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(events),
    });
    if (!response.ok) {
      throw new Error(`POST to ${stream}: ${response.status} ${await response.text()}`);
    }
    return response.json();
  }

  get output() {
    return this.#output;
  }
}
