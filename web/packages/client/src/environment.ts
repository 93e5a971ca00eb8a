/**
 * Everything the client asks of the world: sockets, requests, timers, the clock, chance, frames, wake-ups, other tabs.
 *
 * The client reaches its platform only through an `Environment`, so that tests hand it a fake one and nothing waits.
 * `platform.ts` has the real one.
 */

/** The part of a WebSocket that is used. */
export interface SocketLike {
  onopen: ((event: unknown) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** The part of a BroadcastChannel that is used. */
export interface BusLike {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** The part of the Web Locks API that is used: `hold` runs with the lock, which is kept until its promise ends. */
export interface LocksLike {
  request(name: string, options: { signal: AbortSignal }, hold: () => Promise<void>): Promise<void>;
}

/** A small store of texts that outlives the page; localStorage is one. */
export interface TextStore {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

/** Cancels what it came from. Calling it twice does nothing. */
export type Cancel = () => void;

/** `wake`: trying at once is worth it (network back, page seen again). `doubt`: the network is said to be gone. */
export type NetworkHint = 'wake' | 'doubt';

export interface Environment {
  /** Null where there is no WebSocket, as in Node 20. */
  readonly openSocket: ((url: string) => SocketLike) | null;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Wall clock in ms since 1970. */
  now(): number;
  /** 0 ≤ x < 1. */
  random(): number;
  /** A text of at least 128 random bits. */
  unique(): string;
  after(delay_ms: number, run: () => void): Cancel;
  /** Runs before the next paint; hidden pages get a slow timer instead, because they are not painted. */
  nextFrame(run: () => void): Cancel;
  /** Runs once what the current frame callback drew is on its way to the screen. */
  afterPaint(run: () => void): void;
  /** Whether nobody can see the page. */
  hidden(): boolean;
  onNetwork(listener: (hint: NetworkHint) => void): Cancel;
  /** Calls when the page is about to go or to be hidden: the last moment to save. */
  onLeave(listener: () => void): Cancel;
  /** Null where tabs cannot talk to each other. */
  readonly openBus: ((name: string) => BusLike) | null;
  /** Null outside secure contexts. */
  readonly locks: LocksLike | null;
  /** Where what works behind this proxy is remembered; null for nowhere. */
  readonly memory: TextStore | null;
}
