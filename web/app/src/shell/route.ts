/** Where the page is: kept in the URL's hash, so that any static server and any mount point will do. */

import { useSyncExternalStore } from 'react';
import { type BoardQuery, boardQueryText, NO_QUERY, parseBoardQuery } from './boardQuery';

export type Route =
  | { readonly page: 'home' }
  | { readonly page: 'board'; readonly board: string; readonly query?: BoardQuery }
  | { readonly page: 'streams' }
  | { readonly page: 'stream'; readonly stream: string }
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
    case 'streams':
      return second ? { page: 'stream', stream: second } : { page: 'streams' };
    case 'explore':
      return { page: 'explore', sql: new URLSearchParams(query).get('sql') };
    case 'design':
      return { page: 'design' };
    default:
      return { page: 'home' };
  }
}

export function routeHref(route: Route): string {
  switch (route.page) {
    case 'home':
      return '#/';
    case 'board':
      return `#/boards/${encodeURIComponent(route.board)}${boardQueryText(route.query ?? NO_QUERY)}`;
    case 'streams':
      return '#/streams';
    case 'stream':
      return `#/streams/${encodeURIComponent(route.stream)}`;
    case 'explore':
      return route.sql === null ? '#/explore' : `#/explore?${new URLSearchParams({ sql: route.sql })}`;
    case 'design':
      return '#/design';
  }
}

export function go(route: Route): void {
  location.hash = routeHref(route);
}

/** Changes the URL without a step in the history and without leaving the page. */
export function replaceRoute(route: Route): void {
  history.replaceState(history.state, '', routeHref(route));
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(
    (changed) => {
      addEventListener('hashchange', changed);
      return () => removeEventListener('hashchange', changed);
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
