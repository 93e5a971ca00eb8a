/**
 * What this tab shows to be let in, besides a login's cookie: a token that was typed at the door, kept until the tab is closed,
 * or the secret of a link to one board. Sent with every request as a header.
 *
 * Session storage is the tab's own, so that a closed tab leaves nothing behind. A link's secret stands in the fragment of the
 * page's address, which browsers send nowhere. No URL of a request and no log ever holds either.
 */

const NAME = 'pulseboard.token';

/** The secret in a fragment such as `#/share/pb_…`, if there is one. */
export function secretOf(hash: string): string | null {
  return /^#\/?share\/([\w-]+)/.exec(hash)?.[1] ?? null;
}

const opened = typeof location === 'undefined' ? null : secretOf(location.hash);

/** Whether this page was opened by a link to one board. It stays so until it is loaded anew. */
export const isShare = opened !== null;

export function token(): string | null {
  if (opened !== null) {
    return opened;
  }
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    // A browser may keep nothing; then the door asks again after each reload.
    return null;
  }
}

/** Loads the page anew when its address becomes a link, another one, or none any more: they are other people's views. */
export function watchShare(): void {
  addEventListener('hashchange', () => {
    if (secretOf(location.hash) !== opened) {
      location.reload();
    }
  });
}

export function keepToken(text: string | null): void {
  try {
    if (text === null) {
      sessionStorage.removeItem(NAME);
    } else {
      sessionStorage.setItem(NAME, text);
    }
  } catch {
    // As above.
  }
}

/** A request with the token, if there is one. */
export function withToken(init: RequestInit, text: string | null = token()): RequestInit {
  if (text === null) {
    return init;
  }
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${text}`);
  return { ...init, headers };
}
