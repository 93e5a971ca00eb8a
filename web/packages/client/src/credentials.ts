/**
 * The token that connections are made with, and when to ask the page for another one.
 *
 * A token is asked for once and kept until the server refuses it. One call of the hook is on its way at most, and a
 * token that was refused is never tried again, so neither can go round in circles.
 */

import { loss, readObject } from './codes.js';
import type { Environment } from './environment.js';

/** Why a token is asked for: none is held yet, or the server refused the last one. */
export type TokenReason = 'first' | 'refused';

/** Gives a token, or null if there is none to be had: the client then stays closed until `retryNow`. */
export type TokenHook = (why: TokenReason) => string | null | Promise<string | null>;

/**
 * Gives the URL to open a WebSocket with: a WebSocket of a browser carries no headers. Without it the token is exchanged for
 * a ticket, which is good once.
 */
export type SocketUrlHook = (url: string, token: string | null) => string | Promise<string>;

export interface Credentials {
  readonly token: string | null;
  readonly socketUrl: string;
  /** Another token, once this one has ended. */
  readonly renew: () => Promise<string>;
  /** The token that holds now: the first one, or what renewed it. */
  readonly current: () => string | null;
}

/** A ticket that does not come within this is done without. */
const TICKET_MS_MAX = 6_000;

export class CredentialSource {
  readonly #base: URL;
  readonly #environment: Environment;
  readonly #socketUrl: string;
  readonly #tokenHook: TokenHook | null;
  readonly #socketUrlHook: SocketUrlHook | null;
  #token: string | null = null;
  #refused: string | null = null;
  #asking: Promise<string> | null = null;

  constructor(base: URL, environment: Environment, tokenHook: TokenHook | null, socketUrlHook: SocketUrlHook | null) {
    this.#base = base;
    this.#environment = environment;
    const url = new URL('live', base);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    this.#socketUrl = url.href;
    this.#tokenHook = tokenHook;
    this.#socketUrlHook = socketUrlHook;
  }

  /** At once where no hook has a say. `forSocket`: whether a WebSocket may be opened. A rejection is a `Loss`. */
  get(forSocket: boolean): Credentials | Promise<Credentials> {
    if (this.#tokenHook === null && this.#socketUrlHook === null) {
      return { token: null, socketUrl: this.#socketUrl, renew: noToken, current: () => null };
    }
    return this.#ask(forSocket);
  }

  /** The token for a request over HTTP; null without a hook. A rejection is a `Loss`. */
  async token(): Promise<string | null> {
    if (this.#tokenHook === null) {
      return null;
    }
    this.#asking ??= this.#askHook(this.#tokenHook).finally(() => {
      this.#asking = null;
    });
    return this.#token ?? this.#asking;
  }

  /** The server refused `token`. Returns whether it makes sense to come back with another one. */
  refuse(token: string | null): boolean {
    if (token !== null && token === this.#token) {
      this.#refused = token;
      this.#token = null;
    }
    return this.#tokenHook !== null;
  }

  /** A person asks to try again: the same token may be good by now. */
  forgive(): void {
    this.#refused = null;
  }

  async #ask(forSocket: boolean): Promise<Credentials> {
    const token = await this.token();
    let socketUrl = this.#socketUrl;
    if (this.#socketUrlHook !== null) {
      try {
        socketUrl = await this.#socketUrlHook(socketUrl, token);
      } catch (error) {
        throw loss('no_token', String(error));
      }
    } else if (forSocket && token !== null) {
      const ticket = await this.#ticket(token);
      socketUrl = ticket === null ? socketUrl : `${socketUrl}?ticket=${ticket}`;
    }
    let current = token;
    const renew = async () => {
      this.refuse(current);
      current = await this.token();
      return current ?? noToken();
    };
    return { token, socketUrl, renew, current: () => current };
  }

  /** Null where there is none to be had: the WebSocket is tried as it is, and the other transports carry the token. */
  async #ticket(token: string): Promise<string | null> {
    const abort = new AbortController();
    const cancel = this.#environment.after(TICKET_MS_MAX, () => abort.abort());
    try {
      const headers = { authorization: `Bearer ${token}` };
      const url = new URL('tickets', this.#base).href;
      const response = await this.#environment.fetch(url, { method: 'POST', headers, signal: abort.signal });
      if (response.status === 401) {
        throw loss('unauthorized', '', null, this.refuse(token) ? 'retry' : 'final');
      }
      const answer = response.ok ? readObject(await response.text()) : {};
      return 'ticket' in answer ? encodeURIComponent(String(answer.ticket)) : null;
    } catch (error) {
      if (isLoss(error)) {
        throw error;
      }
      return null;
    } finally {
      cancel();
    }
  }

  async #askHook(hook: TokenHook): Promise<string> {
    if (this.#token !== null) {
      return this.#token;
    }
    let token: string | null;
    try {
      token = await hook(this.#refused === null ? 'first' : 'refused');
    } catch (error) {
      throw loss('no_token', String(error));
    }
    if (token === null) {
      throw loss('no_token', '', null, 'final');
    }
    if (token === this.#refused) {
      throw loss('unauthorized', 'the refused token was given again', null, 'final');
    }
    this.#token = token;
    return token;
  }
}

function noToken(): Promise<never> {
  return Promise.reject(loss('no_token'));
}

function isLoss(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'reason' in error && 'final' in error;
}
