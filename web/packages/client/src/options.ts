/** Everything a client can be told, with the defaults, and what the parts make of it. */

import {
  type BackoffOptions,
  type ClimbOptions,
  DEFAULT_BACKOFF,
  DEFAULT_CLIMB,
  DEFAULT_POLL,
  type PollOptions,
} from './backoff.js';
import { type BreakerOptions, DEFAULT_BREAKER } from './breaker.js';
import { CredentialSource, type SocketUrlHook, type TokenHook } from './credentials.js';
import { DirectLink, type DirectOptions } from './direct.js';
import type { Environment, TextStore } from './environment.js';
import { indexedDbStore } from './indexedDb.js';
import type { Link, LinkEvents } from './link.js';
import { TRANSPORTS, type TransportKind } from './machine.js';
import { DEFAULT_OUTBOX, type OutboxOptions } from './outbox.js';
import type { StateStore } from './persist.js';
import { platformEnvironment } from './platform.js';
import { SharedLink } from './shared.js';

export interface ClientOptions {
  /** The absolute URL of the server's `/api/v1/`. */
  readonly url: string;
  /** Pins the client to one transport. Default all of `transports`. */
  readonly transport?: TransportKind;
  /** In order of preference. Default `websocket`, `sse`, `longpoll`, `poll`. */
  readonly transports?: readonly TransportKind[];
  /** The waits before attempts to reconnect, and how many there are. */
  readonly backoff?: Partial<BackoffOptions>;
  /** The pace of `poll` and the wait of `longpoll`. */
  readonly poll?: Partial<PollOptions>;
  /** How often a better transport is tried while a worse one is open. */
  readonly climb?: Partial<ClimbOptions>;
  /** Requests that `sse` and `longpoll` hold open at a time; what is beyond is polled each second. Default 4. */
  readonly held_max?: number;
  /**
   * Whether all tabs share one connection. A text does so among those that give the same one, for example a user's id.
   * Default true in pages, unless there is a `token`, because tabs may then be of different users.
   */
  readonly share?: boolean | string;
  /** Where what works behind this proxy is remembered; null for nowhere. Default localStorage. */
  readonly memory?: TextStore | null;
  /** Where the last known data is kept across reloads; true for IndexedDB. Default false: nowhere. */
  readonly persist?: StateStore | boolean;
  /** Gives the token, and another one when the server refused it. Sent as `Authorization: Bearer`. */
  readonly token?: TokenHook;
  /** Gives the URL to open a WebSocket with: a browser's carries no headers. Default: with a ticket for the token. */
  readonly socketUrl?: SocketUrlHook;
  /** The bounds of what waits to be published, and what happens at them. */
  readonly outbox?: Partial<OutboxOptions>;
  /** When single requests are stopped after failures. Never concerns the live connection. */
  readonly breaker?: Partial<BreakerOptions>;
  /** How long the connection is kept after the last subscription ended. Default 5,000 ms; Infinity keeps it. */
  readonly linger_ms?: number;
  /** The world the client lives in. Default the platform's. */
  readonly environment?: Environment;
}

/** A page change ends one subscription and brings the next; the connection should live through that. */
const LINGER_MS = 5_000;
/** Two of the six requests that a browser allows per server stay free for everything else. */
const HELD_MAX = 4;

/** The options with nothing left open. */
export interface Settings {
  readonly direct: DirectOptions;
  /** Null: not shared. */
  readonly group: string | null;
  readonly outbox: OutboxOptions;
  readonly breaker: BreakerOptions;
  readonly store: StateStore | null;
  readonly linger_ms: number;
}

export function settle(options: ClientOptions): Settings {
  const environment = options.environment ?? platformEnvironment();
  const base = new URL(options.url);
  const transports = options.transport === undefined ? (options.transports ?? TRANSPORTS) : [options.transport];
  const share = options.share ?? options.token === undefined;
  const { persist = false } = options;
  return {
    direct: {
      base,
      environment,
      transports,
      memory: options.memory === undefined ? environment.memory : options.memory,
      credentials: new CredentialSource(base, environment, options.token ?? null, options.socketUrl ?? null),
      backoff: { ...DEFAULT_BACKOFF, ...options.backoff },
      poll: { ...DEFAULT_POLL, ...options.poll },
      climb: { ...DEFAULT_CLIMB, ...options.climb },
      held_max: options.held_max ?? HELD_MAX,
      hidden: () => environment.hidden(),
    },
    group: share === false ? null : [base.href, transports.join(), share === true ? '' : share].join(' '),
    outbox: { ...DEFAULT_OUTBOX, ...options.outbox },
    breaker: { ...DEFAULT_BREAKER, ...options.breaker },
    store: typeof persist === 'boolean' ? (persist ? indexedDbStore() : null) : persist,
    linger_ms: options.linger_ms ?? LINGER_MS,
  };
}

/** Shared where the platform can and the page wants; else a connection of its own. */
export function openLink({ direct, group }: Settings, events: LinkEvents): Link {
  const { openBus, locks } = direct.environment;
  return group === null || openBus === null || locks === null
    ? new DirectLink(direct, events)
    : new SharedLink(direct, openBus, locks, group, events);
}
