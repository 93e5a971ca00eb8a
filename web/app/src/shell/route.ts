/** Where the page is: kept in the URL's hash, so that any static server and any mount point will do. */

import { useSyncExternalStore } from 'react';

export type Route =
  | { readonly page: 'board'; readonly board: string }
  | { readonly page: 'streams' }
  | { readonly page: 'stream'; readonly stream: string }
  | { readonly page: 'explore'; readonly sql: string | null };

export const DEFAULT_BOARD = 'infra';

/** Reads `#/streams/orders`, `#/explore?sql=…`. Anything unknown is the default board. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [first, second] = path.split('/').map(decode);
  if (first === 'streams') {
    return second ? { page: 'stream', stream: second } : { page: 'streams' };
  }
  if (first === 'explore') {
    return { page: 'explore', sql: new URLSearchParams(query).get('sql') };
  }
  return { page: 'board', board: first === 'boards' && second ? second : DEFAULT_BOARD };
}

export function routeHref(route: Route): string {
  switch (route.page) {
    case 'board':
      return route.board === DEFAULT_BOARD ? '#/' : `#/boards/${encodeURIComponent(route.board)}`;
    case 'streams':
      return '#/streams';
    case 'stream':
      return `#/streams/${encodeURIComponent(route.stream)}`;
    case 'explore':
      return route.sql === null ? '#/explore' : `#/explore?${new URLSearchParams({ sql: route.sql })}`;
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
