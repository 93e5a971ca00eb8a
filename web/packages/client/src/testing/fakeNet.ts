/** Sockets and requests whose other end is the test, or a `FakeServer`. Every command of the client is logged. */

import type { SocketLike } from '../environment.js';

/** What a client says over a WebSocket. */
export interface Command {
  readonly type: string;
  readonly id?: number;
  readonly sub?: number;
  readonly channel?: string;
  readonly channels?: readonly string[];
  readonly since?: string;
  readonly last?: number;
}

export class FakeSocket implements SocketLike {
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  /** Called with each command, and with null when the client closed. */
  onCommand: (command: Command | null) => void = () => {};
  readonly url: string;
  readonly commands: Command[] = [];
  closed = false;
  #subs = 0;

  constructor(url: string) {
    this.url = url;
  }

  send(text: string): void {
    const command = JSON.parse(text) as Command;
    this.commands.push(command);
    this.onCommand(command);
  }

  close(): void {
    if (!this.closed) {
      this.closed = true;
      this.onCommand(null);
    }
  }

  /** The connection stands. */
  open(): void {
    this.onopen?.({});
  }

  /** The connection ends, by default without a word. */
  cut(code = 1006, reason = ''): void {
    this.closed = true;
    this.onclose?.({ code, reason });
  }

  /** Sends the client a message. */
  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Accepts the newest subscribe command; returns the server's number for it. */
  accept(resumed = false): number {
    const command = this.of('subscribe').at(-1);
    this.#subs += 1;
    const { id, channels } = command ?? {};
    this.say({ type: 'subscribed', id, sub: this.#subs, channels, cursor: 'c0', resumed });
    return this.#subs;
  }

  of(type: string): Command[] {
    return this.commands.filter((command) => command.type === type);
  }
}

export class FakeRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string;
  /** Resolves with what the test or the server answers. */
  readonly response: Promise<Response>;
  /** Whether the client gave it up. */
  aborted = false;
  /** Called when the client gives it up. */
  onAbort: () => void = () => {};
  answered = false;
  #resolve: (response: Response) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #stream: ReadableStreamDefaultController<Uint8Array> | null = null;

  constructor(url: string, init: RequestInit) {
    this.url = new URL(url);
    this.method = init.method ?? 'GET';
    this.headers = new Headers(init.headers);
    this.body = typeof init.body === 'string' ? init.body : '';
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    init.signal?.addEventListener('abort', () => {
      this.aborted = true;
      this.onAbort();
      this.fail('aborted');
    });
  }

  get channels(): string[] {
    return this.url.searchParams.getAll('channel');
  }

  /** Answers with JSON. */
  json(body: object, status = 200, headers: Record<string, string> = {}): void {
    this.answered = true;
    this.#resolve(Response.json(body, { status, headers }));
  }

  /** Answers without a body. */
  status(status: number, headers: Record<string, string> = {}): void {
    this.answered = true;
    this.#resolve(new Response(null, { status, headers }));
  }

  /** Sends one server-sent event; the first one opens the stream. */
  event(type: string, data: object, id = ''): void {
    this.text(`${id === '' ? '' : `id: ${id}\n`}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Sends raw text of a stream. */
  text(text: string): void {
    if (!this.answered) {
      this.answered = true;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          this.#stream = controller;
        },
      });
      this.#resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
    }
    this.#stream?.enqueue(new TextEncoder().encode(text));
  }

  /** The stream ends. */
  end(): void {
    this.#stream?.close();
    this.#stream = null;
  }

  /** The network fails. */
  fail(why = 'network'): void {
    this.answered = true;
    this.#reject(new TypeError(why));
    this.#stream?.error(new TypeError(why));
    this.#stream = null;
  }
}
