/**
 * A world under the test's hand: time moves when told, frames are painted when told, and the network is the test's or a
 * `FakeServer`'s.
 */

import type { BusLike, Cancel, Environment, LocksLike, NetworkHint, SocketLike, TextStore } from '../environment.js';
import { FakeBrowser, type FakeBus } from './fakeBrowser.js';
import { FakeClock } from './fakeClock.js';
import { FakeRequest, FakeSocket } from './fakeNet.js';

/** Whoever is at the other end of the network. */
export interface FakePeer {
  socket(socket: FakeSocket): void;
  request(request: FakeRequest): void;
}

export interface FakeWorldOptions {
  /** Default: the test itself, through `sockets` and `requests`. */
  readonly server?: FakePeer & { readonly clock: FakeClock };
  /** Default the server's, or a new one. */
  readonly clock?: FakeClock;
  /** Default a new one: tabs of the same browser share it, see `tab`. */
  readonly browser?: FakeBrowser;
}

export class FakeWorld implements Environment {
  readonly clock: FakeClock;
  /** All that were opened, the newest last. */
  readonly sockets: FakeSocket[] = [];
  readonly requests: FakeRequest[] = [];
  /** Null or another one stands for a page that may hold no locks: assign it before the client is made. */
  locks: LocksLike | null;
  readonly memory: TextStore | null;
  /** What `random` gives. */
  chance = 0.5;
  isHidden = false;
  readonly #server: FakePeer | null;
  readonly #browser: FakeBrowser;
  readonly #onGone: (() => void)[] = [];
  #isGone = false;
  readonly #frames = new Set<() => void>();
  readonly #hints = new Set<(hint: NetworkHint) => void>();
  readonly #leavers = new Set<() => void>();
  readonly #buses = new Set<FakeBus>();

  constructor(options: FakeWorldOptions = {}) {
    const { server } = options;
    this.clock = options.clock ?? server?.clock ?? new FakeClock();
    this.#server = server ?? null;
    this.#browser = options.browser ?? new FakeBrowser(this.clock);
    this.locks = this.#browser.locksOfTab(
      () => this.#isGone,
      (run) => this.#onGone.push(run),
    );
    this.memory = this.#browser.memory;
  }

  /** Another tab of the same browser. */
  tab(): FakeWorld {
    const server = this.#server;
    const browser = this.#browser;
    const { clock } = this;
    return new FakeWorld(server === null ? { clock, browser } : { clock, browser, server: { ...peer(server), clock } });
  }

  get socket(): FakeSocket {
    return newest(this.sockets, 'socket was opened');
  }

  get request(): FakeRequest {
    return newest(this.requests, 'request was made');
  }

  /** Null here stands for a platform without WebSocket: assign it before the client is made. */
  openSocket: ((url: string) => SocketLike) | null = (url) => {
    const socket = new FakeSocket(url);
    this.sockets.push(socket);
    this.#server?.socket(socket);
    return socket;
  };

  fetch(url: string, init: RequestInit): Promise<Response> {
    const request = new FakeRequest(url, init);
    this.requests.push(request);
    this.#server?.request(request);
    return request.response;
  }

  now(): number {
    return this.clock.now_ms;
  }

  random(): number {
    return this.chance;
  }

  unique(): string {
    unique += 1;
    return `unique-${unique}`;
  }

  after(delay_ms: number, run: () => void): Cancel {
    return this.clock.after(delay_ms, () => !this.#isGone && run());
  }

  nextFrame(run: () => void): Cancel {
    this.#frames.add(run);
    return () => this.#frames.delete(run);
  }

  afterPaint(run: () => void): void {
    run();
  }

  hidden(): boolean {
    return this.isHidden;
  }

  onNetwork(listener: (hint: NetworkHint) => void): Cancel {
    this.#hints.add(listener);
    return () => this.#hints.delete(listener);
  }

  onLeave(listener: () => void): Cancel {
    this.#leavers.add(listener);
    return () => this.#leavers.delete(listener);
  }

  openBus: ((name: string) => BusLike) | null = (name) => {
    const bus = this.#browser.openBus(name);
    this.#buses.add(bus);
    return bus;
  };

  /** Lets time pass; with a `FakeServer` or requests in play use `advance`. */
  pass(delay_ms: number): void {
    this.clock.pass(delay_ms);
  }

  /** Lets time pass, and everything that waits for promises run. */
  advance(delay_ms: number): Promise<void> {
    return this.clock.advance(delay_ms);
  }

  /** Paints one frame: listeners hear what came. */
  paint(): void {
    const due = [...this.#frames];
    this.#frames.clear();
    for (const run of due) {
      run();
    }
  }

  /** The network came back, or the page became visible. */
  wake(): void {
    this.hint('wake');
  }

  hint(hint: NetworkHint): void {
    for (const listener of [...this.#hints]) {
      listener(hint);
    }
  }

  /** The page is about to be hidden or to go. */
  leave(): void {
    for (const listener of [...this.#leavers]) {
      listener();
    }
  }

  /** The tab hangs: no other tab hears it or is heard, though it keeps its locks and connections. Call what this gives to end it. */
  freeze(): () => void {
    const muted = [...this.#buses];
    for (const bus of muted) {
      bus.muted = true;
    }
    return () => {
      for (const bus of muted) {
        bus.muted = false;
      }
    };
  }

  /** The tab is gone without a word: its timers, locks, buses and connections with it. */
  crash(): void {
    this.#isGone = true;
    for (const run of this.#onGone) {
      run();
    }
    for (const bus of this.#buses) {
      bus.close();
    }
    for (const socket of this.sockets) {
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    }
    for (const request of this.requests) {
      request.onAbort();
    }
  }
}

let unique = 0;

function peer(server: FakePeer): FakePeer {
  return { socket: (socket) => server.socket(socket), request: (request) => server.request(request) };
}

function newest<T>(list: readonly T[], what: string): T {
  const last = list.at(-1);
  if (last === undefined) {
    throw new Error(`no ${what}`);
  }
  return last;
}
