/** A proxy in front of the real server that may stop what real proxies stop: WebSockets, streams, held requests, all. */

import { Agent, createServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';

/** Which of the client's transports a request belongs to; null for everything else. */
function kindOf({ url, headers }) {
  const { pathname, searchParams } = new URL(url, 'http://proxy');
  if (pathname === '/api/v1/live/sse') {
    return 'sse';
  }
  if (pathname === '/api/v1/live/poll') {
    return searchParams.has('wait') ? 'longpoll' : 'poll';
  }
  return headers.upgrade === 'websocket' ? 'websocket' : null;
}

export class BlockingProxy {
  #http;
  #server;
  #agent = new Agent({ keepAlive: false });
  #blocked = new Set();
  /** Sockets of open connections by kind. */
  #open = new Map();
  /** How many connections or requests of each kind were begun. */
  begun = new Map();

  static async create(server) {
    const proxy = new BlockingProxy(server);
    await new Promise((resolve) => proxy.#http.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  constructor(server) {
    this.#server = server;
    this.#http = createServer((request, response) => this.#forward(request, response));
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  get port() {
    return this.#http.address().port;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** How many connections of a kind are open. */
  open(kind) {
    return this.#open.get(kind)?.size ?? 0;
  }

  /** Stops kinds from now on and cuts what is open of them; `api` stands for everything but the page's files. */
  block(...kinds) {
    for (const kind of kinds) {
      this.#blocked.add(kind);
      const open = kind === 'api' ? [...this.#open.values()].flatMap((sockets) => [...sockets]) : this.#open.get(kind);
      for (const socket of [...(open ?? [])]) {
        socket.destroy();
      }
    }
  }

  unblock(...kinds) {
    for (const kind of kinds) {
      this.#blocked.delete(kind);
    }
  }

  async close() {
    this.#http.closeAllConnections();
    this.block('api');
    await new Promise((resolve) => this.#http.close(resolve));
  }

  /** Whether the request may pass; counts it if so, and cuts it if not. */
  #admit(request, socket) {
    const kind = kindOf(request);
    const isApi = /^\/(api|health)\//.test(request.url);
    if (this.#blocked.has(kind) || (isApi && this.#blocked.has('api'))) {
      socket.destroy();
      return false;
    }
    if (isApi) {
      this.begun.set(kind, (this.begun.get(kind) ?? 0) + 1);
      const open = this.#open.get(kind) ?? new Set();
      this.#open.set(kind, open);
      open.add(socket);
      return () => open.delete(socket);
    }
    return () => {};
  }

  #target(request) {
    const { port } = this.#server;
    const headers = { ...request.headers, host: `127.0.0.1:${port}` };
    return { host: '127.0.0.1', port, path: request.url, method: request.method, headers, agent: this.#agent };
  }

  #forward(request, response) {
    const done = this.#admit(request, request.socket);
    if (done === false) {
      return;
    }
    const onward = httpRequest(this.#target(request), (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => {
      done();
      onward.destroy();
    });
    request.pipe(onward);
  }

  #upgrade(request, socket, head) {
    const done = this.#admit(request, socket);
    if (done === false) {
      return;
    }
    const onward = connect(this.#server.port, '127.0.0.1', () => {
      const headers = Object.entries({ ...request.headers, host: `127.0.0.1:${this.#server.port}` });
      const lines = headers.map(([name, value]) => `${name}: ${value}`);
      onward.write(`GET ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket);
      socket.pipe(onward);
    });
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ]) {
      one.on('error', () => {});
      one.on('close', () => {
        done();
        other.destroy();
      });
    }
  }
}
