/**
 * Why a connection ended, as a closed set, and what that asks of the client: come back, after a pause, or stay away.
 *
 * Close codes 4500 to 4999 are final; everything else, known or not, is worth another attempt.
 */

const FINAL_FROM = 4500;
const FINAL_TO = 4999;

/** What this side closes with when it gives a connection up. The server reads nothing into it. */
export const GAVE_UP = 3000;

const SERVER_REASONS = [
  /** The server restarts. */
  'restart',
  /** Nothing was taken for too long. */
  'slow',
  /** Nothing was heard from here for too long. */
  'idle',
  /** Too many connections. */
  'overloaded',
  /** The server failed. */
  'internal',
  /** Final: too many messages that are none. */
  'bad_message',
  /** Final: a message beyond the limit. */
  'too_large',
  /** Final: a kind of message that the server does not take. */
  'unsupported',
  /** The token was refused. */
  'unauthorized',
  /** The token has ended: another one is asked for. */
  'expired',
  /** The token was taken back. */
  'revoked',
] as const;

/** Why a connection is not there. The server's own reasons and what is seen from here. */
export type LossReason =
  | (typeof SERVER_REASONS)[number]
  /** It could not be made, or ended without a word. */
  | 'cut'
  /** It did not open in time. */
  | 'no_answer'
  /** It opened, and then nothing came for too long. */
  | 'silent'
  /** What came was not from a Pulseboard. */
  | 'garbled'
  /** The server or a proxy refused the request. */
  | 'refused'
  /** The token hook failed or gave none. */
  | 'no_token'
  /** As many attempts failed as were allowed. */
  | 'attempts_max'
  /** A reason that this version does not know; see `detail`. */
  | 'other';

export interface Loss {
  readonly reason: LossReason;
  /** For a person; empty if there is nothing to add. */
  readonly detail: string;
  /** How long to wait before coming back, if the server asked for it. */
  readonly after_ms: number | null;
  /** Whether to stay away until a person says otherwise. */
  readonly final: boolean;
}

export function loss(
  reason: LossReason,
  detail = '',
  after_ms: number | null = null,
  then: 'retry' | 'final' = 'retry',
): Loss {
  return { reason, detail, after_ms, final: then === 'final' };
}

/** Whether the server told this client not to come back. */
export function isFinalClose(code: number): boolean {
  return code >= FINAL_FROM && code <= FINAL_TO;
}

/** Reads a close frame. The server writes JSON as its text; a proxy may write anything. */
export function readClose(code: number, text: string): Loss {
  const said = readObject(text);
  const word = 'reason' in said ? String(said.reason) : text;
  const after_ms = 'after_ms' in said ? Number(said.after_ms) : Number.NaN;
  return {
    reason: SERVER_REASONS.find((known) => known === word) ?? (word === '' ? 'cut' : 'other'),
    detail: word,
    after_ms: Number.isFinite(after_ms) ? Math.max(0, after_ms) : null,
    final: isFinalClose(code),
  };
}

/** The object in a JSON text; an empty one if it holds none. */
export function readObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
