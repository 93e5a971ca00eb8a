/** What an HTTP answer that is no success means: the server's own words about the request, or a connection that is none. */

import { type Loss, loss } from './codes.js';
import type { ErrorBody } from './protocol.js';

/** The server's words if it gave any, else null: then a proxy answered. */
export async function readError(response: Response): Promise<ErrorBody | null> {
  const body: unknown = await response.json().catch(() => null);
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : null;
  return typeof error === 'object' && error !== null && 'code' in error && 'message' in error
    ? (error as ErrorBody)
    : null;
}

/** Whether the same request may succeed later. */
export function isTemporary(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** How long the server asks to wait: in its own words, or by `Retry-After` in seconds. Null if it does not say. */
export function retryAfter_ms(response: Response, error: ErrorBody | null): number | null {
  const seconds = response.headers.get('retry-after');
  const wait_ms = Number(error?.details?.retry_after_ms ?? (seconds === null ? Number.NaN : Number(seconds) * 1_000));
  return Number.isFinite(wait_ms) ? Math.max(0, wait_ms) : null;
}

/** An answer that says that there is no connection this way for now. */
export function lossOf(response: Response, error: ErrorBody | null): Loss {
  const { status } = response;
  const reason =
    status === 401
      ? 'unauthorized'
      : error?.code === 'shutting_down'
        ? 'restart'
        : status === 429 || status === 503
          ? 'overloaded'
          : 'refused';
  return loss(reason, error?.message ?? `status ${status}`, retryAfter_ms(response, error));
}
