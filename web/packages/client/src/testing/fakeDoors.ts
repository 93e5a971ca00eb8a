/** The doors of a `FakeServer`: one object for each open connection or held request. */

import type { Cancel } from '../environment.js';
import type { TransportKind } from '../machine.js';
import type { ErrorBody } from '../protocol.js';
import type { FakeClock } from './fakeClock.js';
import type { FakeData } from './fakeData.js';
import type { Command, FakeRequest, FakeSocket } from './fakeNet.js';

const HEARTBEAT_MS = 15_000;

export interface Door {
  readonly kind: TransportKind;
  readonly subscriptions: number;
  /** Called when the client went. */
  onGone: () => void;
  /** There may be something new. */
  ring(): void;
  cut(): void;
  restart(after_ms: number): void;
}

interface Reader {
  readonly sub: number;
  readonly channels: readonly string[];
  step: number;
}

export class SocketDoor implements Door {
  readonly kind = 'websocket';
  onGone: () => void = () => {};
  readonly #data: FakeData;
  readonly #errorOf: (channel: string) => ErrorBody | null;
  readonly #socket: FakeSocket;
  readonly #now_ms: () => number;
  readonly #readers = new Map<number, Reader>();
  #count = 0;

  constructor(
    data: FakeData,
    errorOf: (channel: string) => ErrorBody | null,
    socket: FakeSocket,
    now_ms: () => number,
  ) {
    this.#data = data;
    this.#errorOf = errorOf;
    this.#socket = socket;
    this.#now_ms = now_ms;
    socket.onCommand = (command) => (command === null ? this.onGone() : this.#take(command));
  }

  get subscriptions(): number {
    return this.#readers.size;
  }

  ring(): void {
    for (const reader of this.#readers.values()) {
      const frame = this.#data.next(reader.sub, reader.channels, reader.step);
      reader.step = this.#data.step;
      if (frame !== null) {
        this.#socket.say(frame);
      }
    }
  }

  cut(): void {
    this.#socket.cut();
  }

  restart(after_ms: number): void {
    this.#socket.cut(4000, JSON.stringify({ reason: 'restart', after_ms }));
  }

  #take(command: Command): void {
    if (command.type === 'subscribe') {
      this.#subscribe(command);
    } else if (command.type === 'unsubscribe') {
      this.#readers.delete(command.sub ?? 0);
    } else if (command.type === 'ping') {
      this.#socket.say({ type: 'pong', time: this.#now_ms() * 1_000 });
    }
  }

  #subscribe({ id, channels: asked = [], since, last }: Command): void {
    const channels = asked.filter((channel) => this.#errorOf(channel) === null);
    for (const channel of asked) {
      const error = this.#errorOf(channel);
      if (error !== null) {
        this.#socket.say({ type: 'error', id, channel, error });
      }
    }
    if (channels.length > 0) {
      this.#count += 1;
      const sub = this.#count;
      const frame = this.#data.first(sub, channels, since ?? null, last);
      this.#readers.set(sub, { sub, channels, step: this.#data.step });
      const { cursor, resumed } = frame;
      this.#socket.say({ type: 'subscribed', id, sub, channels, cursor, resumed });
      this.#socket.say(frame);
    }
  }
}

export class StreamDoor implements Door {
  readonly kind = 'sse';
  readonly subscriptions = 1;
  onGone: () => void = () => {};
  readonly #data: FakeData;
  readonly #request: FakeRequest;
  readonly #clock: FakeClock;
  #step = 0;
  #cancelBeat: Cancel = () => {};

  constructor(data: FakeData, request: FakeRequest, clock: FakeClock) {
    this.#data = data;
    this.#request = request;
    this.#clock = clock;
    request.onAbort = () => {
      this.#cancelBeat();
      this.onGone();
    };
  }

  begin(): void {
    const frame = this.#data.first(1, this.#request.channels, ...sinceAndLast(this.#request));
    this.#step = this.#data.step;
    this.#request.event('init', frame, frame.cursor);
    this.#beatLater();
  }

  ring(): void {
    const frame = this.#data.next(1, this.#request.channels, this.#step);
    this.#step = this.#data.step;
    if (frame !== null) {
      this.#request.event('frame', frame, frame.cursor);
    }
  }

  cut(): void {
    this.#cancelBeat();
    this.#request.fail();
  }

  restart(after_ms: number): void {
    this.#cancelBeat();
    this.#request.event('restart', { after_ms });
    this.#request.end();
  }

  #beatLater(): void {
    this.#cancelBeat = this.#clock.after(HEARTBEAT_MS, () => {
      const cursor = this.#data.cursor(this.#request.channels);
      this.#request.event(
        'heartbeat',
        { type: 'heartbeat', cursor, position: cursor, time: this.#clock.now_ms * 1_000 },
        cursor,
      );
      this.#beatLater();
    });
  }
}

export class PollDoor implements Door {
  readonly kind: TransportKind;
  readonly subscriptions = 1;
  onGone: () => void = () => {};
  readonly #data: FakeData;
  readonly #request: FakeRequest;
  readonly #clock: FakeClock;
  #cancelWait: Cancel = () => {};

  constructor(data: FakeData, request: FakeRequest, kind: TransportKind, clock: FakeClock) {
    this.kind = kind;
    this.#data = data;
    this.#request = request;
    this.#clock = clock;
    request.onAbort = () => this.onGone();
  }

  begin(): void {
    const { searchParams } = this.#request.url;
    const wait_ms = Number.parseInt(searchParams.get('wait') ?? '0', 10);
    this.ring();
    if (!this.#request.answered) {
      const nothing = () => this.#request.status(304, { etag: `W/"${this.#data.cursor(this.#request.channels)}"` });
      this.#cancelWait = this.#clock.after(wait_ms, () => this.#answer(nothing));
    }
  }

  ring(): void {
    const [since, last] = sinceAndLast(this.#request);
    const frame = this.#data.first(1, this.#request.channels, since, last);
    if (since === null || frame.changes.length > 0) {
      this.#answer(() => this.#request.json(frame, 200, { etag: `W/"${frame.cursor}"` }));
    }
  }

  cut(): void {
    this.#cancelWait();
    this.#request.fail();
  }

  restart(after_ms: number): void {
    this.#cancelWait();
    const details = { retry_after_ms: after_ms };
    this.#request.json({ error: { code: 'shutting_down', message: 'the server is ending', details } }, 503);
  }

  #answer(answer: () => void): void {
    this.#cancelWait();
    this.onGone();
    answer();
  }
}

function sinceAndLast({ url }: FakeRequest): [string | null, number | null] {
  const last = url.searchParams.get('last');
  return [url.searchParams.get('since'), last === null ? null : Number(last)];
}
