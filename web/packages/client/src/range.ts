/**
 * Range queries: a view or query over a span of time, in no more points than a chart has room for.
 *
 * Asks once over HTTP. The answer says from which position and on which channel the same series goes on live.
 */

import type { Cell, Column } from './protocol.js';
import { errorOf, RequestError } from './requests.js';

/** What is asked: a `view` by name, or `sql`. */
export interface RangeRequest {
  readonly view?: string;
  readonly sql?: string;
  readonly params?: { readonly [name: string]: string | number | boolean | null };
  readonly timezone?: string;
  /** Begin, inclusive: RFC 3339, an epoch, or `-24h`. Default an hour before the end. */
  readonly from?: string | number;
  /** End, exclusive. Left out, the range is open and live goes on from it. */
  readonly to?: string | number;
  /** How many rows of each series at most: the width of the chart. */
  readonly points?: number;
  /** How rows are left out where the SQL has no `$bucket`. Default `minmax`, which loses no peak. */
  readonly downsample?: 'minmax' | 'lttb';
  /** The columns that tell series apart. Default all that are neither times nor numbers. */
  readonly series?: readonly string[];
  /** Answer as of this position. */
  readonly at?: string;
  /** Wait until this position is included. */
  readonly min_position?: string;
}

/** The answer. Times are µs UTC. */
export interface RangeAnswer {
  /** Where the rows stand; subscribe to `channel` with this as `since` to go on from here. */
  readonly position: string;
  readonly time: number;
  readonly newest: number | null;
  readonly from: number;
  /** null if the range is open. */
  readonly to: number | null;
  /** The width of a bucket, if the query uses `$bucket`. */
  readonly bucket: string | null;
  /** How rows were left out, if any were. */
  readonly downsampled: 'minmax' | 'lttb' | null;
  /** The parameters with which the same query goes on live. */
  readonly params: { readonly [name: string]: Cell };
  /** The channel on which a view goes on; null for `sql`, which is registered with `params` for its own. */
  readonly channel: string | null;
  readonly complete_from: number | null;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

export interface RangeOptions {
  /** The absolute URL of the server's `/api/v1/`. */
  readonly url: string;
  readonly signal?: AbortSignal;
  /** Default the browser's. */
  readonly fetch?: typeof fetch;
}

/** Asks for a range. Throws a `RequestError` that says why it was not answered; aborting ends the query in the server, too. */
export async function range(request: RangeRequest, options: RangeOptions): Promise<RangeAnswer> {
  const ask = options.fetch ?? fetch;
  let response: Response;
  try {
    response = await ask(new URL('range', options.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
      signal: options.signal ?? null,
    });
  } catch (cause) {
    if (options.signal?.aborted || cause instanceof RequestError) {
      throw cause;
    }
    throw new RequestError('offline', 'the server cannot be reached', {}, true);
  }
  if (!response.ok) {
    throw await errorOf(response);
  }
  const body: unknown = await response.json().catch(() => null);
  if (typeof body !== 'object' || body === null || !('rows' in body)) {
    throw new RequestError('unexpected', `status ${response.status} without rows`);
  }
  return body as RangeAnswer;
}
