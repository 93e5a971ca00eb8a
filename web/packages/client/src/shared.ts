/**
 * One connection for all tabs of a browser: whoever holds the lock leads and has the connection, the others ask it.
 *
 * A Web Lock elects: it is given to the next tab at the moment the leader closes, crashes or is killed, and a page that
 * holds one is not put to sleep. A tab that hears nothing from its leader makes a connection of its own until it does.
 */

import type { DirectOptions } from './direct.js';
import type { BusLike, Cancel, LocksLike, NetworkHint } from './environment.js';
import { Hub } from './hub.js';
import type { Link, LinkEvents, LinkRequest } from './link.js';
import type { ConnectionState } from './machine.js';
import { type BusMessage, type Call, type InboxMessage, type Reply, TABS_VERSION, type TabRequest } from './tabs.js';

/** How often a tab looks whether its leader lives. */
const LOOK_EVERY_MS = 3_000;
/** A leader that has left so many looks in a row without any word, although it was asked, is not waited for. */
const SILENT_LOOKS_MAX = 3;

/** `waiting`: for the lock or a leader. `alone`: with a connection of its own, because the leader is silent. */
type Role = 'waiting' | 'follower' | 'leader' | 'alone';

export class SharedLink implements Link {
  readonly #options: DirectOptions;
  readonly #events: LinkEvents;
  readonly #openBus: (name: string) => BusLike;
  readonly #locks: LocksLike;
  readonly #group: string;
  readonly #name: string;
  readonly #bus: BusLike;
  readonly #inbox: BusLike;
  readonly #outboxes = new Map<string, BusLike>();
  readonly #requests = new Map<number, LinkRequest>();
  readonly #ended = new AbortController();
  #cancelLook: Cancel;
  #role: Role = 'waiting';
  #leader: string | null = null;
  /** Leads, or serves this tab alone. */
  #hub: Hub | null = null;
  #wanted = false;
  /** Counts the leaders this tab went to, so that what an earlier one still says is not taken for news. */
  #join = 0;
  /** Looks since the leader was last heard. Counted and not timed: a tab that slept has not been listening. */
  #silentLooks = 0;
  #state: ConnectionState = { status: 'idle' };

  /** `group` tells apart what must not share: other servers, other users. */
  constructor(
    options: DirectOptions,
    openBus: (name: string) => BusLike,
    locks: LocksLike,
    group: string,
    events: LinkEvents,
  ) {
    this.#options = options;
    this.#events = events;
    this.#openBus = openBus;
    this.#locks = locks;
    this.#group = `pulseboard ${TABS_VERSION} ${group}`;
    this.#name = options.environment.unique();
    this.#bus = openBus(this.#group);
    this.#inbox = openBus(this.#placeOf(this.#name));
    this.#bus.onmessage = ({ data }) => this.#hear(data as BusMessage);
    this.#inbox.onmessage = ({ data }) => this.#open(data as InboxMessage);
    // The place is held before anybody can ask for it: whoever gets it from us knows that this tab is gone.
    this.#hold(this.#placeOf(this.#name), () => this.#say({ t: 'hello', from: this.#name }));
    this.#hold(this.#group, () => this.#lead());
    this.#cancelLook = this.#lookLater();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  want(): void {
    this.#wanted = true;
    this.#call({ t: 'want', wanted: true });
  }

  unwant(): void {
    this.#wanted = false;
    this.#call({ t: 'want', wanted: false });
  }

  subscribe(request: LinkRequest): void {
    this.#requests.set(request.id, request);
    this.#call({ t: 'subscribe', request: tabRequest(request) });
  }

  unsubscribe(id: number): void {
    this.#requests.delete(id);
    this.#call({ t: 'unsubscribe', id });
  }

  hint(hint: NetworkHint): void {
    this.#call({ t: 'hint', hint });
    if (hint === 'wake' && this.#role === 'follower') {
      this.#say({ t: 'hello', from: this.#name });
    }
  }

  retry(): void {
    this.#call({ t: 'retry' });
  }

  close(): void {
    this.#call({ t: 'bye' });
    this.#cancelLook();
    this.#ended.abort();
    this.#requests.clear();
    this.#hub?.close();
    this.#hub = null;
    for (const bus of [this.#bus, this.#inbox, ...this.#outboxes.values()]) {
      bus.onmessage = null;
      bus.close();
    }
  }

  /** Runs `held` once the lock is ours, and keeps it until the end of this link. */
  #hold(name: string, held: () => void): void {
    const { signal } = this.#ended;
    const untilEnd = () =>
      new Promise<void>((resolve) => {
        if (signal.aborted) {
          resolve();
          return;
        }
        signal.addEventListener('abort', () => resolve());
        held();
      });
    // It rejects when the link is closed before the lock was given, or at once where the page may hold none.
    this.#locks.request(name, { signal }, untilEnd).catch(() => !signal.aborted && this.#goAlone());
  }

  #placeOf(tab: string): string {
    return `${this.#group} ${tab}`;
  }

  #say(message: BusMessage): void {
    this.#bus.postMessage(message);
  }

  #call(call: Call): void {
    if (this.#hub !== null) {
      this.#hub.take(this.#name, call);
    } else if (this.#leader !== null) {
      this.#say({ t: 'call', from: this.#name, to: this.#leader, call });
    }
  }

  #lead(): void {
    this.#role = 'leader';
    this.#leader = this.#name;
    this.#serveSelf();
    this.#say({ t: 'leader', from: this.#name });
  }

  #serveSelf(): void {
    if (this.#hub === null) {
      this.#hub = new Hub(this.#options);
      this.#hub.add(this.#name, 'local', (reply) => this.#receive(reply));
      this.#joinAll();
    }
  }

  #joinAll(): void {
    this.#join += 1;
    const requests = [...this.#requests.values()].map(tabRequest);
    this.#call({ t: 'join', join: this.#join, wanted: this.#wanted, requests });
  }

  #follow(leader: string): void {
    this.#silentLooks = 0;
    if (this.#role === 'leader' || (this.#role === 'follower' && this.#leader === leader)) {
      return;
    }
    this.#role = 'follower';
    this.#leader = leader;
    this.#hub?.close();
    this.#hub = null;
    this.#joinAll();
  }

  #hear(message: BusMessage): void {
    switch (message.t) {
      case 'leader':
        // Even the same leader may have forgotten this tab: it announces itself when it has just become one.
        this.#leader = null;
        this.#follow(message.from);
        break;
      case 'hello':
        if (this.#role === 'leader') {
          this.#outboxTo(message.from).postMessage({ t: 'here', from: this.#name } satisfies InboxMessage);
        }
        break;
      case 'call':
        if (this.#role === 'leader' && message.to === this.#name) {
          this.#serve(message.from, message.call);
        }
        break;
    }
  }

  #serve(tab: string, call: Call): void {
    const hub = this.#hub;
    if (hub === null) {
      return;
    }
    if (call.t === 'join') {
      const { join } = call;
      const outbox = this.#outboxTo(tab);
      const from = this.#name;
      hub.add(tab, 'remote', (reply) => outbox.postMessage({ t: 'reply', from, join, reply } satisfies InboxMessage));
    }
    hub.take(tab, call);
    if (call.t === 'bye') {
      this.#forget(tab);
    }
  }

  #outboxTo(tab: string): BusLike {
    let outbox = this.#outboxes.get(tab);
    if (outbox === undefined) {
      outbox = this.#openBus(this.#placeOf(tab));
      this.#outboxes.set(tab, outbox);
      // The tab's place falls to us when it closes or crashes without a word.
      this.#locks
        .request(this.#placeOf(tab), { signal: this.#ended.signal }, async () => this.#forget(tab))
        .catch(() => {});
    }
    return outbox;
  }

  #forget(tab: string): void {
    this.#hub?.remove(tab);
    this.#outboxes.get(tab)?.close();
    this.#outboxes.delete(tab);
  }

  #open(message: InboxMessage): void {
    if (message.t === 'here' || this.#role === 'alone') {
      // Whatever a leader that was given up says, it speaks again.
      this.#follow(message.from);
    } else if (message.join === this.#join) {
      this.#silentLooks = 0;
      this.#receive(message.reply);
    }
  }

  #receive(reply: Reply): void {
    if (reply.t === 'state') {
      this.#state = reply.state;
      this.#events.state(reply.state);
    } else if (reply.t === 'pong') {
      this.#events.pong(reply.server_ms, reply.sentAt_ms, reply.receivedAt_ms);
    } else if (this.#requests.has(reply.id)) {
      this.#deliver(reply);
    }
  }

  #deliver(reply: Extract<Reply, { id: number }>): void {
    switch (reply.t) {
      case 'accepted':
        this.#events.accepted(reply.id);
        break;
      case 'refused':
        this.#events.refused(reply.id, reply.channel, reply.error);
        break;
      case 'frame':
        this.#events.frame(reply.id, reply.frame);
        break;
      case 'advanced':
        this.#events.advanced(reply.id, reply.cursor);
        break;
    }
  }

  #lookLater(): Cancel {
    return this.#options.environment.after(LOOK_EVERY_MS, () => {
      this.#cancelLook = this.#lookLater();
      this.#look();
    });
  }

  #look(): void {
    if (this.#role === 'leader') {
      return;
    }
    this.#silentLooks += 1;
    if (this.#silentLooks > SILENT_LOOKS_MAX) {
      this.#goAlone();
    }
    if (this.#silentLooks > 1) {
      this.#say({ t: 'hello', from: this.#name });
    }
  }

  #goAlone(): void {
    if (this.#role === 'waiting' || this.#role === 'follower') {
      this.#role = 'alone';
      this.#leader = null;
      this.#serveSelf();
    }
  }
}

function tabRequest({ id, options, cursor }: LinkRequest): TabRequest {
  return { id, options, since: cursor() };
}
