/** Where the page is: kept in the URL's hash, so that any static server and any mount point will do. */

import { useSyncExternalStore } from 'react';
import { type BoardQuery, boardQueryText, NO_QUERY, parseBoardQuery } from './boardQuery';

export type Route =
  | { readonly page: 'home' }
  | { readonly page: 'board'; readonly board: string; readonly query?: BoardQuery }
  /** A board being edited, null for one that has no name yet, and perhaps which of its panels. */
  | { readonly page: 'edit'; readonly board: string | null; readonly panel?: string }
  | { readonly page: 'streams' }
  | { readonly page: 'stream'; readonly stream: string }
  /** The one board of a link. */
  | { readonly page: 'share'; readonly secret: string; readonly query?: BoardQuery }
  | { readonly page: 'explore'; readonly sql: string | null }
  | { readonly page: 'design' };

/** Reads `#/boards/shop?from=now-6h`, `#/streams/orders`, `#/explore?sql=…`. Anything unknown is home. */
export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#\/?/, '');
  const mark = text.indexOf('?');
  const [path, query] = mark < 0 ? [text, ''] : [text.slice(0, mark), text.slice(mark + 1)];
  const [first, second] = path.split('/').map(decode);
  switch (first) {
    case 'boards':
      return second ? { page: 'board', board: second, query: parseBoardQuery(query) } : { page: 'home' };
    case 'edit':
      return { page: 'edit', board: second || null, ...panelOf(query) };
    case 'streams':
      return second ? { page: 'stream', stream: second } : { page: 'streams' };
    case 'share':
      return second ? { page: 'share', secret: second, query: parseBoardQuery(query) } : { page: 'home' };
    case 'explore':
      return { page: 'explore', sql: new URLSearchParams(query).get('sql') };
    case 'design':
      return { page: 'design' };
    default:
      return { page: 'home' };
  }
}

function panelOf(query: string): { readonly panel?: string } {
  const panel = new URLSearchParams(query).get('panel');
  return panel === null ? {} : { panel };
}

export function routeHref(route: Route): string {
  switch (route.page) {
    case 'home':
      return '#/';
    case 'board':
      return `#/boards/${encodeURIComponent(route.board)}${boardQueryText(route.query ?? NO_QUERY)}`;
    case 'edit':
      return route.board === null
        ? '#/edit'
        : `#/edit/${encodeURIComponent(route.board)}${route.panel === undefined ? '' : `?${new URLSearchParams({ panel: route.panel })}`}`;
    case 'streams':
      return '#/streams';
    case 'stream':
      return `#/streams/${encodeURIComponent(route.stream)}`;
    case 'share':
      return `#/share/${encodeURIComponent(route.secret)}${boardQueryText(route.query ?? NO_QUERY)}`;
    case 'explore':
      return route.sql === null ? '#/explore' : `#/explore?${new URLSearchParams({ sql: route.sql })}`;
    case 'design':
      return '#/design';
  }
}

/** A board with another span, zone or choice: at its own address, or at the link's that it was opened by. */
export function boardRoute(board: string, query: BoardQuery): Route {
  const here = parseRoute(location.hash);
  return here.page === 'share' ? { page: 'share', secret: here.secret, query } : { page: 'board', board, query };
}

export function go(route: Route): void {
  location.hash = routeHref(route);
}

/** Changes the URL without a step in the history and without leaving the page. */
export function replaceRoute(route: Route): void {
  history.replaceState(history.state, '', routeHref(route));
}

/** Asked before the page is left, with where to; false keeps it. */
type Guard = (to: string) => boolean;

let guard: Guard | null = null;

/** Has a page ask before it is left, for as long as there is something to lose. Closing the tab asks in the browser's words. */
export function guardLeaving(ask: Guard): () => void {
  const onUnload = (event: BeforeUnloadEvent) => event.preventDefault();
  guard = ask;
  addEventListener('beforeunload', onUnload);
  return () => {
    guard = null;
    removeEventListener('beforeunload', onUnload);
  };
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(
    (changed) => {
      const onHash = ({ oldURL }: HashChangeEvent) => {
        const to = location.hash;
        if (guard !== null && !guard(to)) {
          // The browser has moved already; the address goes back to what is still shown.
          history.replaceState(history.state, '', new URL(oldURL).hash || '#/');
          return;
        }
        changed();
      };
      addEventListener('hashchange', onHash);
      return () => removeEventListener('hashchange', onHash);
    },
    () => location.hash,
  );
  return parseRoute(hash);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
