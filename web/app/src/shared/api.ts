/**
 * The HTTP API as this app uses it: typed answers, and errors that carry the server's own words.
 *
 * Live data never comes this way; see the client package.
 */

import type { Cell, Column, ViewState } from '@pulseboard/client';
import { ApiError } from './apiError';
import { withToken } from './pass';

/** The absolute URL of `/api/v1/`, wherever the page itself is mounted. */
export const API_URL = new URL('api/v1/', document.baseURI).href;

export type PanelType =
  | 'stat'
  | 'timeseries'
  | 'bars'
  | 'table'
  | 'gauge'
  | 'percentage'
  | 'barlist'
  | 'heatmap'
  | 'statetimeline'
  | 'candles'
  | 'alerts'
  | 'text';

/** What a state stands for: a colour with an icon, or neither. */
export type StateLevel = 'ok' | 'warning' | 'critical' | 'neutral';

/** How a panel draws its columns, as docs/guide/boards.md has it. What is missing is read off the columns themselves. */
export interface PanelOptions {
  readonly value?: string;
  readonly label?: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly series?: string;
  readonly series_label?: string;
  readonly time?: string;
  readonly range?: string;
  readonly style?: 'line' | 'area' | 'stacked' | 'bars' | 'candles';
  /** A series to compare with: dashed and quiet. */
  readonly comparison?: string;
  readonly decimals?: number;
  readonly min?: number;
  /** A number, or the column that has it. */
  readonly max?: number | string;
  readonly color?: number;
  readonly first_color?: number;
  readonly units?: { readonly [column: string]: string };
  readonly legend?: readonly ('last' | 'min' | 'max' | 'avg')[];
  /** The column with the earlier value, how the change is written, against what, and which direction is a gain. */
  readonly compare?: string;
  readonly compare_as?: 'percent' | 'difference';
  readonly compare_label?: string;
  readonly better?: 'up' | 'down';
  /** The panel of this board whose rows the sparkline is drawn from. */
  readonly spark_panel?: string;
  readonly spark_value?: string;
  readonly spark_series?: string;
  readonly limit?: number;
  readonly share?: boolean;
  readonly low_label?: string;
  readonly high_label?: string;
  readonly columns?: readonly string[];
  readonly labels?: { readonly [column: string]: string };
  readonly column_decimals?: { readonly [column: string]: number };
  readonly states?: { readonly [name: string]: StateLevel | { readonly [value: string]: StateLevel } };
  readonly signed?: readonly string[];
  readonly ages?: readonly string[];
  readonly scale?: 'linear' | 'log';
  readonly until?: string;
  readonly open?: string;
  readonly high?: string;
  readonly low?: string;
  readonly close?: string;
  readonly volume?: string;
}

export interface Panel {
  readonly id: string;
  readonly type: PanelType;
  readonly title: string;
  /** Where its rows come from; a text panel has none, and says `text`. */
  readonly channel: string;
  readonly text?: string | null;
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
  readonly sql?: string | null;
  /** The parameters of its query, for readers of a link, who are not told the query. */
  readonly takes?: readonly string[];
  readonly view?: string | null;
  readonly unit?: string | null;
  readonly thresholds?: { readonly warning?: number; readonly critical?: number } | null;
  readonly stale_after?: string | null;
  readonly max_hz?: number | null;
  readonly options?: PanelOptions | null;
}

/** What whoever looks at a board may choose. */
export interface BoardVariable {
  readonly name: string;
  readonly type: string;
  readonly title?: string;
  readonly default?: string;
  /** Anything of its type if there are none. */
  readonly options: readonly string[];
}

export interface BoardName {
  readonly id: string;
  readonly title: string;
}

export interface Board {
  readonly title: string;
  readonly description?: string | null;
  readonly timezone?: string | null;
  readonly variables?: readonly BoardVariable[] | null;
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

/** A view's answer, now or as of an instant. */
export interface ViewAnswer {
  readonly time: number;
  readonly newest: number | null;
  readonly state: ViewState;
  readonly columns: readonly Column[];
  readonly keys: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  readonly order?: readonly string[];
}

export interface ViewInfo {
  readonly name: string;
  readonly sql: string;
}

export interface SourceInfo {
  readonly name: string;
  readonly kind: string;
  readonly every_ms?: number;
}

/** How the server is. */
export interface Health {
  readonly status: string;
  readonly messages: number;
  readonly errors: number;
  readonly latency_p99_ms?: number | null;
  readonly uptime_ms: number;
  readonly problems: readonly string[];
}

export { ApiError, type Column };

/** One request; refusals are thrown as `ApiError`. `path` is relative to `/api/v1/`. */
export async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(new URL(path, API_URL), withToken(init));
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
  views: async () => (await request<{ views: readonly ViewInfo[] }>('views')).views,
  sources: async () => (await request<{ sources: readonly SourceInfo[] }>('sources')).sources,
  health: () => request<Health>('../../health/ready'),
  /** A view as it was at an instant. */
  viewAt: (
    view: string,
    params: { readonly [name: string]: string },
    at: string,
    zone: string | null,
    signal: AbortSignal,
  ) => {
    const query = new URLSearchParams({ at, ...(zone === null ? {} : { timezone: zone }) });
    for (const [name, value] of Object.entries(params)) {
      query.set(`p.${name}`, value);
    }
    return request<ViewAnswer>(`views/${encodeURIComponent(view)}?${query}`, { signal });
  },
  streams: async () => (await request<{ streams: StreamInfo[] }>('streams')).streams,
  liveQuery: (sql: string, timezone: string, params: { readonly [name: string]: string } = {}) =>
    post<{ channel: string }>('live/queries', { sql, timezone, params }),
  /** Makes a view; refused if there is one of that name. */
  newView: (name: string, sql: string, timezone: string) =>
    request(`views/${encodeURIComponent(name)}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'if-none-match': '*' },
      body: JSON.stringify({ sql, timezone }),
    }),
  explain: (sql: string, timezone: string) => post<Explanation>('explain', { sql, timezone }),
};
