/**
 * What tabs that share a connection say to each other. One of them leads: it holds the connection and answers the others.
 *
 * Calls go over a bus that all hear; replies go over a bus of the tab they are for. Only plain data, because it is copied.
 */

import type { NetworkHint } from './environment.js';
import type { ConnectionState } from './machine.js';
import type { ErrorBody, Frame } from './protocol.js';
import type { SubscribeOptions } from './subscription.js';

/** Changed together with these types, so that tabs of two versions do not misunderstand each other. */
export const TABS_VERSION = 1;

export interface TabRequest {
  readonly id: number;
  readonly options: SubscribeOptions;
  readonly since: string | null;
}

/** What a tab says to whoever leads. */
export type Call =
  /** Everything this tab wants, when it meets a leader. `join` counts and is echoed with every reply. */
  | {
      readonly t: 'join';
      readonly join: number;
      readonly wanted: boolean;
      readonly requests: readonly TabRequest[];
    }
  | { readonly t: 'subscribe'; readonly request: TabRequest }
  | { readonly t: 'unsubscribe'; readonly id: number }
  | { readonly t: 'want'; readonly wanted: boolean }
  | { readonly t: 'hint'; readonly hint: NetworkHint }
  | { readonly t: 'retry' }
  /** The tab goes. */
  | { readonly t: 'bye' };

/** What is said on the bus that all hear. */
export type BusMessage =
  /** Is anybody leading? */
  | { readonly t: 'hello'; readonly from: string }
  /** I lead from now on. */
  | { readonly t: 'leader'; readonly from: string }
  | { readonly t: 'call'; readonly from: string; readonly to: string; readonly call: Call };

/** What is said on the bus of one tab. */
export type InboxMessage =
  /** The answer to `hello`. */
  | { readonly t: 'here'; readonly from: string }
  /** A reply to the tab as it had joined with that number; after another joining it is of the past. */
  | { readonly t: 'reply'; readonly from: string; readonly join: number; readonly reply: Reply };

/** What the leader says to one tab. */
export type Reply =
  | { readonly t: 'state'; readonly state: ConnectionState }
  | { readonly t: 'accepted'; readonly id: number }
  | { readonly t: 'refused'; readonly id: number; readonly channel: string | null; readonly error: ErrorBody }
  | { readonly t: 'frame'; readonly id: number; readonly frame: Frame }
  | { readonly t: 'advanced'; readonly id: number; readonly cursor: string }
  | {
      readonly t: 'pong';
      readonly server_ms: number;
      readonly sentAt_ms: number;
      readonly receivedAt_ms: number;
    };
