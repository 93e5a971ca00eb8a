/**
 * The token of this tab, where the server asks for one: typed at the door, kept until the tab is closed, sent with every
 * request as a header.
 *
 * Session storage is the tab's own, so that a closed tab leaves nothing behind. No URL and no log ever holds the token.
 */

const NAME = 'pulseboard.token';

export function token(): string | null {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    // A browser may keep nothing; then the door asks again after each reload.
    return null;
  }
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
