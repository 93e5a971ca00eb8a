/**
 * A world under the test's hand: time moves when told, sockets are opened, fed and cut by the test.
 *
 * It speaks the protocol only as far as a test makes it; every command of the client is logged.
 */

import type { Environment, EventSourceLike, SocketLike } from '../src/environment';

interface Timer {
  readonly due_ms: number;
  readonly order: number;
  readonly run: () => void;
}

export interface Command {
  readonly type: string;
  readonly id?: number;
  readonly sub?: number;
  readonly channels?: readonly string[];
  readonly since?: string;
}

export class FakeSocket implements SocketLike {
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly commands: Command[] = [];
  closed = false;
  #subs = 0;

  constructor(readonly url: string) {}

  send(text: string): void {
    this.commands.push(JSON.parse(text) as Command);
  }

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.onopen?.({});
  }

  cut(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason });
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Accepts the newest subscribe command; returns the server's number for it. */
  accept(resumed = false): number {
    const command = this.commands.filter(({ type }) => type === 'subscribe').at(-1);
    this.#subs += 1;
    this.say({
      type: 'subscribed',
      id: command?.id,
      sub: this.#subs,
      channels: command?.channels,
      cursor: 'c0',
      resumed,
    });
    return this.#subs;
  }

  of(type: string): Command[] {
    return this.commands.filter((command) => command.type === type);
  }
}

export class FakeEventSource implements EventSourceLike {
  onopen: ((event: unknown) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  closed = false;
  readonly #listeners = new Map<string, (event: { data: string; lastEventId: string }) => void>();

  constructor(readonly url: string) {}

  addEventListener(type: string, listener: (event: { data: string; lastEventId: string }) => void): void {
    this.#listeners.set(type, listener);
  }

  close(): void {
    this.closed = true;
  }

  say(type: string, message: object, lastEventId = ''): void {
    this.#listeners.get(type)?.({ data: JSON.stringify(message), lastEventId });
  }

  fail(): void {
    this.onerror?.({});
  }
}

export class FakeEnvironment implements Environment {
  readonly sockets: FakeSocket[] = [];
  readonly sources: FakeEventSource[] = [];
  chance = 0.5;
  #now_ms = 1_700_000_000_000;
  #order = 0;
  #timers = new Set<Timer>();
  #frames = new Set<() => void>();
  #wakers = new Set<() => void>();

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) {
      throw new Error('no socket was opened');
    }
    return socket;
  }

  get source(): FakeEventSource {
    const source = this.sources.at(-1);
    if (source === undefined) {
      throw new Error('no event source was opened');
    }
    return source;
  }

  openSocket = (url: string): SocketLike => {
    const socket = new FakeSocket(url);
    this.sockets.push(socket);
    return socket;
  };

  openEventSource = (url: string): EventSourceLike => {
    const source = new FakeEventSource(url);
    this.sources.push(source);
    return source;
  };

  now = (): number => this.#now_ms;

  random = (): number => this.chance;

  after = (delay_ms: number, run: () => void) => {
    this.#order += 1;
    const timer = { due_ms: this.#now_ms + delay_ms, order: this.#order, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  nextFrame = (run: () => void) => {
    this.#frames.add(run);
    return () => this.#frames.delete(run);
  };

  afterPaint = (run: () => void): void => run();

  onWake = (listener: () => void) => {
    this.#wakers.add(listener);
    return () => this.#wakers.delete(listener);
  };

  /** Lets `delay_ms` pass, running timers in order at their time. */
  pass(delay_ms: number): void {
    const end_ms = this.#now_ms + delay_ms;
    for (;;) {
      const next = [...this.#timers]
        .filter(({ due_ms }) => due_ms <= end_ms)
        .sort((a, b) => a.due_ms - b.due_ms || a.order - b.order)[0];
      if (next === undefined) {
        break;
      }
      this.#timers.delete(next);
      this.#now_ms = Math.max(this.#now_ms, next.due_ms);
      next.run();
    }
    this.#now_ms = end_ms;
  }

  /** Paints one frame. */
  paint(): void {
    const due = [...this.#frames];
    this.#frames.clear();
    for (const run of due) {
      run();
    }
  }

  wake(): void {
    for (const listener of this.#wakers) {
      listener();
    }
  }
}

/** A frame as the server would send it, with what a test does not care about filled in. */
export function frame(sub: number, cursor: string, changes: object[], more: object = {}): object {
  return {
    type: 'frame',
    sub,
    cursor,
    position: `p-${cursor}`,
    time: 1_700_000_000_000_000,
    newest: null,
    changes,
    ...more,
  };
}

export function keyedSnapshot(rows: Record<string, (string | number | null)[]>, order?: string[]): object {
  return {
    columns: [
      { name: 'k', type: 'string', key: true },
      { name: 'n', type: 'int' },
      { name: 'm', type: 'int' },
    ],
    keys: Object.keys(rows),
    rows: Object.values(rows),
    ...(order === undefined ? {} : { order }),
  };
}
