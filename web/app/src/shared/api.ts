/**
 * The HTTP API as this app uses it: typed answers, and errors that carry the server's own words.
 *
 * Live data never comes this way; see the client package.
 */

import type { Column } from '@pulseboard/client';

/** The absolute URL of `/api/v1/`, wherever the page itself is mounted. */
export const API_URL = new URL('api/v1/', document.baseURI).href;

/** The server refused or failed, in its own words; `code` is from its closed set, `offline` if it was not reached. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly code: string,
    message: string,
    readonly details: { readonly [name: string]: unknown },
  ) {
    super(message);
  }
}

export type PanelType = 'stat' | 'timeseries' | 'bars' | 'table';

/** How a panel draws its columns. Everything is optional; what is missing is read off the columns themselves. */
export interface PanelOptions {
  readonly value?: string;
  readonly label?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly series?: string;
  readonly series_label?: string;
  readonly time?: string;
  readonly range?: string;
  readonly style?: 'line' | 'area';
  /** A series to compare with: dashed and quiet. */
  readonly comparison?: string;
  readonly decimals?: number;
  readonly min?: number;
  readonly max?: number;
  readonly color?: number;
  readonly first_color?: number;
  readonly units?: { readonly [column: string]: string };
}

export interface Panel {
  readonly id: string;
  readonly type: PanelType;
  readonly title: string;
  readonly channel: string;
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
  readonly sql?: string | null;
  readonly view?: string | null;
  readonly unit?: string | null;
  readonly thresholds?: { readonly warning?: number; readonly critical?: number } | null;
  readonly stale_after?: string | null;
  readonly max_hz?: number | null;
  readonly options?: PanelOptions | null;
}

export interface BoardName {
  readonly id: string;
  readonly title: string;
}

export interface Board {
  readonly title: string;
  readonly description?: string | null;
  readonly timezone?: string | null;
  readonly panels: readonly Panel[];
}

export interface StreamField {
  readonly name: string;
  readonly type: string;
  readonly declared: boolean;
}

/** One stream. Times are µs UTC. */
export interface StreamInfo {
  readonly name: string;
  /** Whether the server writes it, as `_rejected`. */
  readonly system?: boolean;
  readonly schema: { readonly version: number; readonly fields: readonly StreamField[] };
  readonly events: number;
  readonly rejected: number;
  readonly bytes: number;
  readonly first_offset: number | null;
  readonly last_offset: number | null;
  readonly last_arrived_at: number | null;
  readonly complete_from: number | null;
  readonly lag_ms: number;
}

export interface Explanation {
  readonly mode: 'maintained' | 'rerun';
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
  readonly streams: readonly string[];
  readonly plan: string;
  readonly running: {
    readonly mode: 'maintained' | 'rerun';
    readonly reason: string | null;
    readonly groups: number;
    readonly state_bytes: number;
    readonly events: number;
    readonly cost_per_event_ns: number;
    readonly engine_percent: number;
    readonly late_rows: number;
    readonly truncated_rows: number;
  } | null;
}

export type { Column };

async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(new URL(path, API_URL), init);
  } catch (cause) {
    if (init.signal?.aborted) {
      throw cause;
    }
    throw new ApiError('offline', 'the server cannot be reached', {});
  }
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    throw readError(response.status, body);
  }
  return body as T;
}

function readError(status: number, body: unknown): ApiError {
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : null;
  if (typeof error === 'object' && error !== null && 'code' in error && 'message' in error) {
    const details = 'details' in error && typeof error.details === 'object' ? error.details : null;
    return new ApiError(String(error.code), String(error.message), { ...details });
  }
  return new ApiError('unexpected', `the server answered ${status} without saying why`, {});
}

function post<T>(path: string, body: object, signal?: AbortSignal): Promise<T> {
  return request<T>(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

export const api = {
  boards: async () => (await request<{ boards: readonly BoardName[] }>('boards')).boards,
  board: (name: string) => request<Board>(`boards/${encodeURIComponent(name)}`),
  streams: async () => (await request<{ streams: StreamInfo[] }>('streams')).streams,
  liveQuery: (sql: string, timezone: string) => post<{ channel: string }>('live/queries', { sql, timezone }),
  explain: (sql: string, timezone: string) => post<Explanation>('explain', { sql, timezone }),
};
