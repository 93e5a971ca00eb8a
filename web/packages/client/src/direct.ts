/**
 * A connection of one's own: performs what the state machine decides, and asks again for every subscription after a
 * reconnect or a change of transport, each from its own cursor.
 */

import type { PollOptions } from './backoff.js';
import { type Loss, loss } from './codes.js';
import type { CredentialSource, Credentials } from './credentials.js';
import type { Cancel, Environment, NetworkHint, TextStore } from './environment.js';
import { openLongPoll, openPoll, openSse } from './http.js';
import type { Link, LinkEvents, LinkRequest } from './link.js';
import {
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
  initialMachine,
  type Machine,
  type MachineOptions,
  step,
  type TransportKind,
} from './machine.js';
import { TransportMemory } from './memory.js';
import type { Change } from './protocol.js';
import type { OpenTransport, Transport, TransportEvents } from './transport.js';
import { openWebSocket } from './websocket.js';

export interface DirectOptions extends MachineOptions {
  readonly base: URL;
  readonly environment: Environment;
  readonly credentials: CredentialSource;
  readonly poll: PollOptions;
  readonly held_max: number;
  readonly memory: TextStore | null;
  /** Whether nobody looks, in any tab. */
  readonly hidden: () => boolean;
}

const OPENERS: Record<TransportKind, OpenTransport> = {
  websocket: openWebSocket,
  sse: openSse,
  longpoll: openLongPoll,
  poll: openPoll,
};

/** The number of the request by which a candidate shows that it works. Real ones count from 1. */
const SAMPLE_ID = -1;

export class DirectLink implements Link {
  readonly #options: DirectOptions;
  readonly #events: LinkEvents;
  readonly #memory: TransportMemory;
  readonly #requests = new Map<number, LinkRequest>();
  #machine: Machine;
  #transport: Transport | null = null;
  /** A better transport that is being tried beside the open one. */
  #candidate: Transport | null = null;
  /** Counts openings and closings, so that credentials that come late open nothing. */
  #turn = 0;
  #cancelRetry: Cancel = () => {};
  #cancelSettle: Cancel = () => {};
  #cancelClimb: Cancel = () => {};

  constructor(options: DirectOptions, events: LinkEvents) {
    const { environment, base, transports } = options;
    // Where there is no WebSocket it is not tried, unless it is all that is allowed: then trying says what is wrong.
    const usable = transports.filter((kind) => kind !== 'websocket' || environment.openSocket !== null);
    this.#options = { ...options, transports: usable.length > 0 ? usable : transports };
    this.#events = events;
    this.#memory = new TransportMemory(options.memory, base);
    this.#machine = initialMachine(this.#memory.recall(environment.now()));
  }

  get state(): ConnectionState {
    return this.#machine.state;
  }

  want(): void {
    this.#step({ type: 'wanted' });
  }

  unwant(): void {
    this.#step({ type: 'unwanted' });
  }

  subscribe(request: LinkRequest): void {
    this.#requests.set(request.id, request);
    this.#ask(this.#transport, request);
  }

  unsubscribe(id: number): void {
    if (this.#requests.delete(id)) {
      this.#transport?.unsubscribe(id);
    }
  }

  hint(hint: NetworkHint): void {
    this.#step({ type: hint });
  }

  retry(): void {
    this.#options.credentials.forgive();
    this.#step({ type: 'retry' });
  }

  close(): void {
    this.#requests.clear();
    this.unwant();
  }

  #ask(transport: Transport | null, { id, options, cursor }: LinkRequest): void {
    transport?.subscribe({ ...options, id, since: cursor() });
  }

  #step(event: ConnectionEvent): void {
    const before = this.#machine.state;
    const { environment } = this.#options;
    const [machine, effects] = step(this.#machine, event, environment.now(), () => environment.random(), this.#options);
    this.#machine = machine;
    for (const effect of effects) {
      this.#perform(effect);
    }
    if (machine.state !== before) {
      this.#events.state(machine.state);
    }
  }

  #perform(effect: ConnectionEffect): void {
    const { environment } = this.#options;
    switch (effect.do) {
      case 'open':
        this.#drop();
        this.#withCredentials(
          effect.transport === 'websocket',
          (credentials) => this.#open(effect.transport, credentials),
          (why) => this.#step({ type: 'lost', loss: why }),
        );
        break;
      case 'close':
        this.#drop();
        break;
      case 'wait':
        this.#cancelRetry = environment.after(effect.delay_ms, () => this.#step({ type: 'retry_due' }));
        break;
      case 'settle':
        this.#cancelSettle();
        this.#cancelSettle = environment.after(effect.delay_ms, () => this.#step({ type: 'settled' }));
        break;
      case 'climb_wait':
        this.#cancelClimb();
        this.#cancelClimb = environment.after(effect.delay_ms, () => this.#step({ type: 'climb_due' }));
        break;
      case 'climb':
        this.#withCredentials(
          effect.transports.includes('websocket'),
          (credentials) => this.#climb(effect.transports, credentials),
          () => this.#step({ type: 'climb_failed' }),
        );
        break;
      case 'remember':
        // What a pinned client uses says nothing about what else would work.
        if (this.#options.transports.length > 1) {
          this.#memory.remember(effect.transport, environment.now());
        }
        break;
      case 'probe':
        this.#transport?.probe();
        break;
    }
  }

  #drop(): void {
    this.#turn += 1;
    this.#cancelRetry();
    this.#cancelSettle();
    this.#cancelClimb();
    this.#candidate?.close();
    this.#candidate = null;
    this.#transport?.close();
    this.#transport = null;
  }

  /** Runs at once where no hook has a say, so that a page's first connection waits for nothing. */
  #withCredentials(forSocket: boolean, run: (credentials: Credentials) => void, fail: (why: Loss) => void): void {
    const credentials = this.#options.credentials.get(forSocket);
    if (!(credentials instanceof Promise)) {
      run(credentials);
      return;
    }
    const turn = this.#turn;
    credentials.then(
      (got) => turn === this.#turn && run(got),
      (why: Loss) => turn === this.#turn && fail(why),
    );
  }

  #open(kind: TransportKind, credentials: Credentials): void {
    const transport: Transport = OPENERS[kind](
      { ...this.#options, ...credentials },
      this.#eventsFor(
        () => this.#transport === transport,
        credentials,
        () => this.#step({ type: 'opened' }),
      ),
    );
    this.#transport = transport;
    for (const request of this.#requests.values()) {
      this.#ask(transport, request);
    }
  }

  /** Tries the first of `kinds` beside the open connection; if it does not work, the next. */
  #climb(kinds: readonly TransportKind[], credentials: Credentials): void {
    const [kind, ...others] = kinds;
    if (kind === undefined) {
      this.#step({ type: 'climb_failed' });
      return;
    }
    const sample = this.#requests.values().next().value;
    if (kind !== 'websocket' && sample === undefined) {
      // Without a subscription no stream can show that it gets through.
      this.#climb(others, credentials);
      return;
    }
    const isCandidate = () => this.#candidate === candidate;
    const isCurrent = () => this.#transport === candidate;
    const events = this.#eventsFor(isCurrent, credentials, () => {
      if (isCandidate()) {
        this.#adopt(candidate);
      }
    });
    const lost = (why: Loss) => {
      if (isCandidate()) {
        this.#candidate = null;
        this.#climb(others, credentials);
      } else {
        events.lost(why);
      }
    };
    const candidate: Transport = OPENERS[kind]({ ...this.#options, ...credentials }, { ...events, lost });
    this.#candidate = candidate;
    if (sample !== undefined && kind !== 'websocket') {
      candidate.subscribe({ ...sample.options, id: SAMPLE_ID, since: sample.cursor() });
    }
  }

  /** The candidate takes over. Subscriptions are asked for from where they stand at this moment. */
  #adopt(candidate: Transport): void {
    this.#candidate = null;
    this.#transport?.close();
    this.#transport = candidate;
    candidate.unsubscribe(SAMPLE_ID);
    for (const request of this.#requests.values()) {
      this.#ask(candidate, request);
    }
    this.#step({ type: 'climbed', transport: candidate.kind });
  }

  /** What a transport says before it is the current one, or after it was replaced, does not count. */
  #eventsFor(isCurrent: () => boolean, credentials: Credentials, opened: () => void): TransportEvents {
    const known = (id: number) => isCurrent() && this.#requests.has(id);
    const out = this.#events;
    /** Changes of a large answer that is not whole yet, by subscription: nothing half is shown. */
    const held: Record<number, readonly Change[]> = {};
    return {
      opened,
      lost: (why) => isCurrent() && this.#step({ type: 'lost', loss: this.#judge(why, credentials) }),
      accepted: (id) => known(id) && out.accepted(id),
      refused: (id, channel, error) => id !== null && known(id) && out.refused(id, channel, error),
      frame: (id, frame) => {
        const changes = [...(held[id] ?? []), ...frame.changes];
        held[id] = frame.more ? changes : [];
        frame.more || (known(id) && out.frame(id, { ...frame, changes }));
      },
      advanced: (id, cursor) => known(id) && out.advanced(id, cursor),
      pong: (server_ms, sentAt_ms) => isCurrent() && out.pong(server_ms, sentAt_ms, this.#options.environment.now()),
    };
  }

  /** A refused token is no reason to stay away while another one may be had. */
  #judge(why: Loss, { current }: Credentials): Loss {
    return why.reason === 'unauthorized' || why.reason === 'expired' || why.reason === 'revoked'
      ? loss(why.reason, why.detail, why.after_ms, this.#options.credentials.refuse(current()) ? 'retry' : 'final')
      : why;
  }
}
