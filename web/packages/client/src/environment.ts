/**
 * Everything the client asks of the world: sockets, timers, the clock, chance, frames and wake-ups.
 *
 * The client reaches the browser only through an `Environment`, so that tests hand it a fake one and nothing waits.
 */

/** The part of a browser's WebSocket that is used. */
export interface SocketLike {
  onopen: ((event: unknown) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** The part of a browser's EventSource that is used. */
export interface EventSourceLike {
  onopen: ((event: unknown) => void) | null;
  onerror: ((event: unknown) => void) | null;
  addEventListener(type: string, listener: (event: { data: string; lastEventId: string }) => void): void;
  close(): void;
}

/** Cancels what it came from. Calling it twice does nothing. */
export type Cancel = () => void;

export interface Environment {
  openSocket(url: string): SocketLike;
  openEventSource(url: string): EventSourceLike;
  /** Wall clock in ms since 1970. */
  now(): number;
  /** 0 ≤ x < 1. */
  random(): number;
  after(delay_ms: number, run: () => void): Cancel;
  /** Runs before the next paint; hidden pages get a slow timer instead, because they are not painted. */
  nextFrame(run: () => void): Cancel;
  /** Runs once what the current frame callback drew is on its way to the screen. */
  afterPaint(run: () => void): void;
  /** Calls when trying again at once is worth it: the network came back, the page became visible. */
  onWake(listener: () => void): Cancel;
}

/** How long a hidden page waits before it hands out what came in. */
const HIDDEN_FRAME_MS = 1_000;

/** The real browser. */
export function browserEnvironment(): Environment {
  return {
    openSocket: (url) => new WebSocket(url) as SocketLike,
    openEventSource: (url) => new EventSource(url) as EventSourceLike,
    now: () => performance.timeOrigin + performance.now(),
    random: Math.random,
    after(delay_ms, run) {
      const timer = setTimeout(run, delay_ms);
      return () => clearTimeout(timer);
    },
    nextFrame(run) {
      if (document.visibilityState === 'hidden') {
        const timer = setTimeout(run, HIDDEN_FRAME_MS);
        return () => clearTimeout(timer);
      }
      // A page hidden between the request and the frame would wait for ever, so a timer stands behind it.
      const cancel = () => {
        cancelAnimationFrame(frame);
        clearTimeout(timer);
      };
      const once = () => {
        cancel();
        run();
      };
      const frame = requestAnimationFrame(once);
      const timer = setTimeout(once, HIDDEN_FRAME_MS);
      return cancel;
    },
    afterPaint(run) {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        run();
      };
      port2.postMessage(null);
    },
    onWake(listener) {
      const onVisible = () => {
        if (document.visibilityState === 'visible') {
          listener();
        }
      };
      addEventListener('online', listener);
      addEventListener('pageshow', listener);
      document.addEventListener('visibilitychange', onVisible);
      return () => {
        removeEventListener('online', listener);
        removeEventListener('pageshow', listener);
        document.removeEventListener('visibilitychange', onVisible);
      };
    },
  };
}
