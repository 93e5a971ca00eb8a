/**
 * The token that connections are made with, and when to ask the page for another one.
 *
 * A token is asked for once and kept until the server refuses it. One call of the hook is on its way at most, and a
 * token that was refused is never tried again, so neither can go round in circles.
 */

import { loss } from './codes.js';

/** Why a token is asked for: none is held yet, or the server refused the last one. */
export type TokenReason = 'first' | 'refused';

/** Gives a token, or null if there is none to be had: the client then stays closed until `retryNow`. */
export type TokenHook = (why: TokenReason) => string | null | Promise<string | null>;

/** Gives the URL to open a WebSocket with, for example with a ticket: a WebSocket of a browser carries no headers. */
export type SocketUrlHook = (url: string, token: string | null) => string | Promise<string>;

export interface Credentials {
  readonly token: string | null;
  readonly socketUrl: string;
}

export class CredentialSource {
  readonly #socketUrl: string;
  readonly #tokenHook: TokenHook | null;
  readonly #socketUrlHook: SocketUrlHook | null;
  #token: string | null = null;
  #refused: string | null = null;
  #asking: Promise<string> | null = null;

  constructor(base: URL, tokenHook: TokenHook | null, socketUrlHook: SocketUrlHook | null) {
    const url = new URL('live', base);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    this.#socketUrl = url.href;
    this.#tokenHook = tokenHook;
    this.#socketUrlHook = socketUrlHook;
  }

  /** At once where no hook has a say. A rejection is a `Loss`. */
  get(): Credentials | Promise<Credentials> {
    if (this.#tokenHook === null && this.#socketUrlHook === null) {
      return { token: null, socketUrl: this.#socketUrl };
    }
    return this.#ask();
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

  async #ask(): Promise<Credentials> {
    const token = await this.token();
    try {
      return { token, socketUrl: (await this.#socketUrlHook?.(this.#socketUrl, token)) ?? this.#socketUrl };
    } catch (error) {
      throw loss('no_token', String(error));
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
