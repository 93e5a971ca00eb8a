/**
 * A Pulseboard in memory that speaks the protocol over all four transports, and may be told to fail in every way that a
 * server or a proxy does.
 */

import type { TransportKind } from '../machine.js';
import type { Cell, Column, ErrorBody } from '../protocol.js';
import { FakeClock } from './fakeClock.js';
import { FakeData, type FakeRow } from './fakeData.js';
import { type Door, PollDoor, SocketDoor, StreamDoor } from './fakeDoors.js';
import type { FakeRequest, FakeSocket } from './fakeNet.js';
import type { FakePeer } from './fakeWorld.js';

/** How a transport does not work: refused at once, or held until the client gives up. */
export type Blockade = 'cut' | 'hang';

export interface Published {
  readonly stream: string;
  readonly events: unknown;
  readonly key: string | null;
}

export class FakeServer implements FakePeer {
  readonly clock: FakeClock;
  /** What was published, each key once. */
  readonly published: Published[] = [];
  /** The tokens that are let in; null lets everybody in. */
  tokens: ReadonlySet<string> | null = null;
  #tickets = 0;
  /** How many publishes to answer with 503 before taking one. */
  failPublishes = 0;
  readonly #data: FakeData;
  readonly #doors = new Set<Door>();
  readonly #blocked = new Map<TransportKind, Blockade>();
  readonly #refusals = new Map<string, ErrorBody>();
  readonly #answers = new Map<string, unknown>();
  #up = true;

  constructor(clock = new FakeClock()) {
    this.clock = clock;
    this.#data = new FakeData(() => clock.now_ms);
  }

  /** Makes a view or a query: `view:…` or `sql:…`. Rows are objects by column name. */
  view(channel: string, columns: readonly Column[]): void {
    this.#data.view(channel, columns);
  }

  /** Makes a stream: `stream:…`. A column `_offset` is added. */
  stream(channel: string, columns: readonly Column[]): void {
    this.#data.stream(channel, columns);
  }

  /** Writes a row, or some of its columns if there is one; all readers are told. */
  set(channel: string, key: string, fields: FakeRow): void {
    this.#data.set(channel, key, fields);
    this.#ring();
  }

  remove(channel: string, key: string): void {
    this.#data.remove(channel, key);
    this.#ring();
  }

  append(channel: string, cells: readonly Cell[]): void {
    this.#data.append(channel, cells);
    this.#ring();
  }

  /** Refuses a channel with this error; null takes it back. */
  refuse(channel: string, error: ErrorBody | null): void {
    if (error === null) {
      this.#refusals.delete(channel);
    } else {
      this.#refusals.set(channel, error);
    }
  }

  /** Answers single requests to this path (`boards/infra`, `live/queries`) with this body; an `ErrorBody` with 404. Default `{}`. */
  answer(path: string, body: unknown): void {
    this.#answers.set(path, body);
  }

  /** Lets a transport fail from now on; open connections of it end. */
  block(kind: TransportKind, how: Blockade = 'cut'): void {
    this.#blocked.set(kind, how);
    for (const door of this.#doors) {
      if (door.kind === kind) {
        this.#shut(door, () => door.cut());
      }
    }
  }

  unblock(kind: TransportKind): void {
    this.#blocked.delete(kind);
  }

  /** How many connections are open, or how many requests are held, of one transport or of all. */
  open(kind?: TransportKind): number {
    return [...this.#doors].filter((door) => kind === undefined || door.kind === kind).length;
  }

  /** How many subscriptions are being served. */
  get subscriptions(): number {
    return [...this.#doors].reduce((sum, door) => sum + door.subscriptions, 0);
  }

  /** Goes away without a word, as if killed. */
  stop(): void {
    this.#up = false;
    for (const door of this.#doors) {
      this.#shut(door, () => door.cut());
    }
  }

  start(): void {
    this.#up = true;
  }

  /** Says that it restarts and closes all connections. `start` brings it back; the log is the same. */
  restart(after_ms: number): void {
    this.#up = false;
    for (const door of this.#doors) {
      this.#shut(door, () => door.restart(after_ms));
    }
  }

  /** Loses its data directory: every cursor is void. */
  newEpoch(): void {
    this.#data.epoch += 1;
  }

  /** @internal */
  socket(socket: FakeSocket): void {
    this.clock.after(1, () => {
      if (this.#fails('websocket', () => socket.cut())) {
        return;
      }
      const door = new SocketDoor(
        this.#data,
        (channel) => this.#errorOf(channel),
        socket,
        () => this.clock.now_ms,
      );
      this.#doors.add(door);
      door.onGone = () => this.#doors.delete(door);
      socket.open();
    });
  }

  /** @internal */
  request(request: FakeRequest): void {
    this.clock.after(1, () => {
      if (!request.aborted) {
        this.#answer(request);
      }
    });
  }

  #answer(request: FakeRequest): void {
    const path = request.url.pathname.replace(/^.*\/(api\/v1|health)\//, '');
    const kind: TransportKind | null =
      path === 'live/sse'
        ? 'sse'
        : path !== 'live/poll'
          ? null
          : request.url.searchParams.has('wait')
            ? 'longpoll'
            : 'poll';
    if (this.#fails(kind, () => request.fail())) {
      return;
    }
    const [, token = ''] = request.headers.get('authorization')?.split(' ') ?? [];
    if (this.tokens !== null && !this.tokens.has(token)) {
      request.json({ error: { code: 'unauthorized', message: 'the token is not good' } }, 401);
    } else if (kind === null) {
      this.#answerSingle(request, path);
    } else {
      this.#serve(request, kind);
    }
  }

  #serve(request: FakeRequest, kind: TransportKind): void {
    const refused = request.channels.find((channel) => this.#errorOf(channel) !== null);
    if (refused !== undefined) {
      const error = { ...this.#errorOf(refused), details: { channel: refused } };
      request.json({ error }, 404);
      return;
    }
    const door =
      kind === 'sse'
        ? new StreamDoor(this.#data, request, this.clock)
        : new PollDoor(this.#data, request, kind, this.clock);
    this.#doors.add(door);
    door.onGone = () => this.#doors.delete(door);
    door.begin();
  }

  #answerSingle(request: FakeRequest, path: string): void {
    if (path === 'tickets') {
      this.#tickets += 1;
      request.json({ ticket: `ticket-${this.#tickets}`, expires_in_ms: 30_000 }, 201);
      return;
    }
    const stream = /^streams\/([^/]+)\/events$/.exec(path)?.[1];
    if (stream === undefined) {
      const body = this.#answers.get(path) ?? {};
      const isError = typeof body === 'object' && body !== null && 'code' in body && 'message' in body;
      request.json(isError ? { error: body } : body, isError ? 404 : 200);
    } else if (this.failPublishes > 0) {
      this.failPublishes -= 1;
      request.json({ error: { code: 'unavailable', message: 'the log cannot write' } }, 503);
    } else {
      const events: unknown = JSON.parse(request.body);
      const key = request.headers.get('idempotency-key');
      if (key === null || !this.published.some((known) => known.key === key)) {
        this.published.push({ stream: decodeURIComponent(stream), events, key });
      }
      const accepted = Array.isArray(events) ? events.length : 1;
      request.json({ accepted, rejected: 0, errors: [], position: `${this.#data.epoch}:${this.#data.step}:0` });
    }
  }

  #errorOf(channel: string): ErrorBody | null {
    const unknown = { code: 'unknown_view', message: `there is no \`${channel}\`` };
    return this.#refusals.get(channel) ?? (this.#data.has(channel) ? null : unknown);
  }

  /** Whether this way is closed; fails it as it is told to. */
  #fails(kind: TransportKind | null, cut: () => void): boolean {
    const how = this.#up ? (kind === null ? undefined : this.#blocked.get(kind)) : 'cut';
    if (how === 'cut') {
      cut();
    }
    return how !== undefined;
  }

  #shut(door: Door, end: () => void): void {
    this.#doors.delete(door);
    end();
  }

  /** Tells all readers what is new. */
  #ring(): void {
    for (const door of [...this.#doors]) {
      door.ring();
    }
  }
}
