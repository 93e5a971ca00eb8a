/**
 * The real world: a browser's page, a worker or Node, told apart by what they have.
 *
 * Nothing here decides anything. What a platform lacks is null or does nothing, and the client does without.
 */

import type { BusLike, Cancel, Environment, SocketLike, TextStore } from './environment.js';

/** How long a hidden page waits before it hands out what came in; also the beat of workers and Node. */
const HIDDEN_FRAME_MS = 1_000;
const NO_PAINT_FRAME_MS = 16;

/** The surroundings of this page, worker or process. */
export function platformEnvironment(): Environment {
  const page = typeof document === 'undefined' ? null : document;
  return {
    openSocket: typeof WebSocket === 'undefined' ? null : (url) => new WebSocket(url) as SocketLike,
    fetch: (url, init) => fetch(url, init),
    now: () => performance.timeOrigin + performance.now(),
    random: Math.random,
    unique,
    after: timer,
    nextFrame: page === null ? (run) => timer(NO_PAINT_FRAME_MS, run) : (run) => nextFrame(page, run),
    afterPaint: page === null ? (run) => run() : afterPaint,
    hidden: () => page?.visibilityState === 'hidden',
    onNetwork(listener) {
      const wake = () => listener('wake');
      const doubt = () => listener('doubt');
      const seen = () => page?.visibilityState === 'visible' && wake();
      return all([
        on(globalThis, 'online', wake),
        on(globalThis, 'pageshow', wake),
        on(globalThis, 'offline', doubt),
        on(page, 'visibilitychange', seen),
        // A page that the browser had put to sleep.
        on(page, 'resume', wake),
      ]);
    },
    onLeave: (listener) =>
      all([
        on(globalThis, 'pagehide', listener),
        on(page, 'visibilitychange', () => page?.visibilityState === 'hidden' && listener()),
      ]),
    // Node has a BroadcastChannel, too, but no tabs: there each client has its own connection.
    openBus: page === null || typeof BroadcastChannel === 'undefined' ? null : (name) => openBus(name),
    locks: page === null ? null : (navigator.locks ?? null),
    memory: page === null ? null : textStore(),
  };
}

function timer(delay_ms: number, run: () => void): Cancel {
  const id = setTimeout(run, delay_ms);
  return () => clearTimeout(id);
}

function nextFrame(page: Document, run: () => void): Cancel {
  if (page.visibilityState === 'hidden') {
    return timer(HIDDEN_FRAME_MS, run);
  }
  // A page hidden between the request and the frame would wait for ever, so a timer stands behind it.
  const cancel = () => {
    cancelAnimationFrame(frame);
    stop();
  };
  const once = () => {
    cancel();
    run();
  };
  const frame = requestAnimationFrame(once);
  const stop = timer(HIDDEN_FRAME_MS, once);
  return cancel;
}

function afterPaint(run: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    run();
  };
  port2.postMessage(null);
}

function openBus(name: string): BusLike {
  return new BroadcastChannel(name) as BusLike;
}

/** Pages may be denied their storage; then nothing is remembered. */
function textStore(): TextStore | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

/** `crypto.randomUUID` is missing outside secure contexts. */
function unique(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Listens if the target is one: Node's global is none. */
function on(target: Partial<EventTarget> | null, type: string, listener: () => void): Cancel {
  target?.addEventListener?.(type, listener);
  return () => target?.removeEventListener?.(type, listener);
}

function all(cancels: readonly Cancel[]): Cancel {
  return () => {
    for (const cancel of cancels) {
      cancel();
    }
  };
}
