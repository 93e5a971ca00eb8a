/**
 * What a close code asks of the client: come back, come back after a pause, or stay away.
 *
 * Codes 4500 to 4999 are final; everything else, known or not, is worth another attempt.
 */

const FINAL_FROM = 4500;
const FINAL_TO = 4999;

/** What this side closes with when it gives a connection up. The server reads nothing into it. */
export const GAVE_UP = 3000;

/** Whether the server told this client not to come back. */
export function isFinalClose(code: number): boolean {
  return code >= FINAL_FROM && code <= FINAL_TO;
}

/** What the text of a close frame says. The server writes JSON; a proxy may write anything. */
export interface CloseReason {
  readonly reason: string;
  /** How long to wait before coming back, if the server asked for it. */
  readonly after_ms: number | null;
}

export function readCloseReason(text: string): CloseReason {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'reason' in value) {
      const after_ms = 'after_ms' in value ? Number(value.after_ms) : Number.NaN;
      return { reason: String(value.reason), after_ms: Number.isFinite(after_ms) ? Math.max(0, after_ms) : null };
    }
  } catch {
    // Not JSON: the text itself is all there is to tell.
  }
  return { reason: text, after_ms: null };
}
