/**
 * The leading tab's side of a shared connection: which tab follows what, over one `DirectLink`.
 *
 * Equal subscriptions of other tabs are asked for once. For that the hub keeps their state, so that a tab that comes later
 * gets a whole picture at exactly the position from which it follows on. Tails are never joined: each tab's begins elsewhere. Only
 * alerts are, of which every tab wants the newest, and all of them are asked for once.
 */

import { DirectLink, type DirectOptions } from './direct.js';
import type { Link } from './link.js';
import { type SubscribeOptions, Subscription, type SubscriptionHost } from './subscription.js';
import type { Call, Reply, TabRequest } from './tabs.js';

interface Tab {
  readonly post: (reply: Reply) => void;
  readonly local: boolean;
  readonly follows: Map<number, Upstream>;
  wanted: boolean;
}

interface Reader {
  readonly tab: Tab;
  readonly id: number;
}

/** One subscription on the connection. */
interface Upstream {
  readonly options: SubscribeOptions;
  readonly readers: Set<Reader>;
  /** The state that late readers start from; null if there is one reader only, which keeps its own. */
  readonly replica: Subscription | null;
  /** Where the only reader stands; where there may be more, from where they all went on (alerts only; null for all that is known). */
  cursor: string | null;
  linkId: number;
}

const NO_HOST: SubscriptionHost = { activate() {}, deactivate() {}, remove() {}, touched() {} };

export class Hub {
  readonly #link: Link;
  readonly #tabs = new Map<string, Tab>();
  readonly #upstreams = new Map<number, Upstream>();
  #lastId = 0;

  constructor(options: DirectOptions) {
    // A leader that nobody looks at may serve tabs that somebody does.
    const hidden = () => options.hidden() && this.#tabs.size < 2;
    const toAll = (reply: Reply) => {
      for (const tab of this.#tabs.values()) {
        tab.post(reply);
      }
    };
    this.#link = new DirectLink(
      { ...options, hidden },
      {
        state: (state) => toAll({ t: 'state', state }),
        accepted: (linkId) => this.#with(linkId, (upstream) => this.#accepted(upstream)),
        refused: (linkId, channel, error) =>
          this.#with(linkId, (upstream) => {
            upstream.replica?.refused(channel, error);
            toReaders(upstream, (id) => ({ t: 'refused', id, channel, error }));
          }),
        frame: (linkId, frame) =>
          this.#with(linkId, (upstream) => {
            if (upstream.replica === null) {
              upstream.cursor = frame.cursor;
            } else if (!upstream.replica.apply(frame)) {
              this.#askAgain(linkId, upstream);
              return;
            }
            toReaders(upstream, (id) => ({ t: 'frame', id, frame }));
          }),
        advanced: (linkId, cursor) =>
          this.#with(linkId, (upstream) => {
            if (upstream.replica === null) {
              upstream.cursor = cursor;
            } else {
              upstream.replica.advance(cursor);
            }
            toReaders(upstream, (id) => ({ t: 'advanced', id, cursor }));
          }),
        pong: (server_ms, sentAt_ms, receivedAt_ms) => toAll({ t: 'pong', server_ms, sentAt_ms, receivedAt_ms }),
      },
    );
  }

  /** How many tabs there are. */
  get size(): number {
    return this.#tabs.size;
  }

  /** A tab that is new here, or that met this leader again. */
  add(name: string, place: 'local' | 'remote', post: (reply: Reply) => void): void {
    this.remove(name);
    this.#tabs.set(name, { post, local: place === 'local', follows: new Map(), wanted: false });
    post({ t: 'state', state: this.#link.state });
  }

  remove(name: string): void {
    const tab = this.#tabs.get(name);
    if (tab !== undefined) {
      for (const id of [...tab.follows.keys()]) {
        this.#unsubscribe(tab, id);
      }
      this.#tabs.delete(name);
      this.#wantAsTabsDo();
    }
  }

  take(name: string, call: Call): void {
    const tab = this.#tabs.get(name);
    if (tab === undefined) {
      return;
    }
    switch (call.t) {
      case 'join':
        tab.wanted = call.wanted;
        for (const request of call.requests) {
          this.#subscribe(tab, request);
        }
        this.#wantAsTabsDo();
        break;
      case 'subscribe':
        this.#subscribe(tab, call.request);
        break;
      case 'unsubscribe':
        this.#unsubscribe(tab, call.id);
        break;
      case 'want':
        tab.wanted = call.wanted;
        this.#wantAsTabsDo();
        break;
      case 'hint':
        this.#link.hint(call.hint);
        break;
      case 'retry':
        this.#link.retry();
        break;
      case 'bye':
        this.remove(name);
        break;
    }
  }

  close(): void {
    this.#tabs.clear();
    this.#link.close();
  }

  #wantAsTabsDo(): void {
    if ([...this.#tabs.values()].some(({ wanted }) => wanted)) {
      this.#link.want();
    } else {
      this.#link.unwant();
    }
  }

  #subscribe(tab: Tab, { id, options, since }: TabRequest): void {
    if (tab.follows.has(id)) {
      return;
    }
    const reader: Reader = { tab, id };
    const has = (kind: string) => options.channels.some((channel) => channel.startsWith(kind));
    // Those who come from one leader to the next stand at one place, and go on from there.
    const from = has('alerts') ? since : null;
    const known = [...this.#upstreams.values()].find(
      (each) => each.replica !== null && each.cursor === from && keyOf(each.options) === keyOf(options),
    );
    if (known !== undefined) {
      known.readers.add(reader);
      tab.follows.set(id, known);
      welcome(known, reader);
      return;
    }
    const shares = !has('stream:') && (!tab.local || has('alerts'));
    const upstream: Upstream = {
      options,
      readers: new Set([reader]),
      replica: shares ? new Subscription(options, NO_HOST) : null,
      cursor: shares ? from : since,
      linkId: 0,
    };
    tab.follows.set(id, upstream);
    this.#ask(upstream);
  }

  #unsubscribe(tab: Tab, id: number): void {
    const upstream = tab.follows.get(id);
    if (upstream === undefined) {
      return;
    }
    tab.follows.delete(id);
    for (const reader of upstream.readers) {
      if (reader.tab === tab && reader.id === id) {
        upstream.readers.delete(reader);
      }
    }
    if (upstream.readers.size === 0) {
      this.#upstreams.delete(upstream.linkId);
      this.#link.unsubscribe(upstream.linkId);
    }
  }

  #ask(upstream: Upstream): void {
    this.#lastId += 1;
    upstream.linkId = this.#lastId;
    this.#upstreams.set(upstream.linkId, upstream);
    const { linkId, options } = upstream;
    const cursor = () => upstream.replica?.cursor ?? upstream.cursor;
    this.#link.subscribe({ id: linkId, options, cursor });
  }

  /** What came does not fit what is held: without a cursor a snapshot comes, for all readers. */
  #askAgain(linkId: number, upstream: Upstream): void {
    this.#upstreams.delete(linkId);
    this.#link.unsubscribe(linkId);
    this.#ask(upstream);
  }

  #accepted(upstream: Upstream): void {
    upstream.replica?.accepted();
    toReaders(upstream, (id) => ({ t: 'accepted', id }));
  }

  #with(linkId: number, run: (upstream: Upstream) => void): void {
    const upstream = this.#upstreams.get(linkId);
    if (upstream !== undefined) {
      run(upstream);
    }
  }
}

function toReaders(upstream: Upstream, reply: (id: number) => Reply): void {
  for (const { tab, id } of [...upstream.readers]) {
    tab.post(reply(id));
  }
}

/** Brings a late reader to where the others are. */
function welcome({ replica }: Upstream, { tab, id }: Reader): void {
  if (replica?.status === 'active') {
    tab.post({ t: 'accepted', id });
  }
  for (const [channel, error] of replica?.errors ?? []) {
    tab.post({ t: 'refused', id, channel: channel || null, error });
  }
  const frame = replica?.snapshot() ?? null;
  if (frame !== null) {
    tab.post({ t: 'frame', id, frame });
  }
}

function keyOf({ channels, max_hz, batch_ms, last, timezone }: SubscribeOptions): string {
  return JSON.stringify([channels, max_hz, batch_ms, last, timezone]);
}
