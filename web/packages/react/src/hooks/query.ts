/** What can be followed: a view by its name, a channel, or SQL with parameters. Turned into channels here; no React. */

export type QueryParams = { readonly [name: string]: string | number | boolean | null };

/** A view, with the parameters that it takes. */
export interface ViewQuery {
  readonly view: string;
  readonly params?: QueryParams | undefined;
}

/** SQL, with values for its `$name` parameters. */
export interface SqlQuery {
  readonly sql: string;
  readonly params?: QueryParams | undefined;
  /** An IANA name: in which zone days begin. Default the server's. */
  readonly timezone?: string | undefined;
}

/** A text is a view's name, a channel (`view:…`, `sql:…`, `alerts`), or SQL if it has a space in it. */
export type LiveQuery = string | ViewQuery | SqlQuery;

/** What a query comes to: a channel, or SQL that has to be registered for one. */
export type ResolvedQuery =
  | { readonly kind: 'channel'; readonly channel: string }
  | { readonly kind: 'sql'; readonly sql: string; readonly params: QueryParams; readonly timezone: string | undefined };

/** Channels that have no name behind a colon. */
const OWN_CHANNELS = new Set(['alerts', 'system']);

/** Like `encodeURIComponent`, and the five signs that it leaves alone. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The channel of a view: parameters sorted by name, so that equal channels are equal texts. */
export function viewChannel(view: string, params: QueryParams = {}): string {
  const pairs = Object.entries(params)
    .filter(([, value]) => value !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${encoded(name)}=${encoded(String(value))}`);
  return pairs.length === 0 ? `view:${view}` : `view:${view}?${pairs.join('&')}`;
}

/** `params` and `timezone` count for a text that is SQL or the name of a view. */
export function resolveQuery(query: LiveQuery, params?: QueryParams, timezone?: string): ResolvedQuery {
  if (typeof query !== 'string') {
    return 'sql' in query
      ? { kind: 'sql', sql: query.sql, params: query.params ?? params ?? {}, timezone: query.timezone ?? timezone }
      : { kind: 'channel', channel: viewChannel(query.view, query.params ?? params) };
  }
  if (/\s/.test(query.trim())) {
    return { kind: 'sql', sql: query, params: params ?? {}, timezone };
  }
  const isChannel = query.includes(':') || OWN_CHANNELS.has(query);
  return { kind: 'channel', channel: isChannel ? query : viewChannel(query, params) };
}
