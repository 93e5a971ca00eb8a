/** Single requests over HTTP: with the token, a deadline and the circuit breaker, and errors in the server's own words. */

import type { CircuitBreaker } from './breaker.js';
import type { CredentialSource } from './credentials.js';
import type { Environment } from './environment.js';
import { isTemporary, readError, retryAfter_ms } from './refusal.js';

const ANSWER_MS_MAX = 30_000;

/**
 * Why a request was not answered. `code` is the server's, or one of `offline` (no answer), `breaker_open` (not even
 * asked), `no_token`, `unexpected` (an answer that is not Pulseboard's), `outbox_full`, `dropped`, `uncertain`, `closed`.
 */
export class RequestError extends Error {
  override readonly name = 'RequestError';

  constructor(
    readonly code: string,
    message: string,
    readonly details: { readonly [name: string]: unknown } = {},
    /** Whether the same request may succeed later. */
    readonly temporary: boolean = false,
    /** How long the server asked to wait before that. */
    readonly after_ms: number | null = null,
  ) {
    super(message);
  }
}

/** Turns an answer without success into an error that says why. */
export async function errorOf(response: Response): Promise<RequestError> {
  const error = await readError(response);
  return new RequestError(
    error?.code ?? 'unexpected',
    error?.message ?? `status ${response.status}`,
    { ...error?.details },
    isTemporary(response.status),
    retryAfter_ms(response, error),
  );
}

export class Requests {
  readonly #base: URL;
  readonly #environment: Environment;
  readonly #credentials: CredentialSource;
  readonly #breaker: CircuitBreaker;

  constructor(base: URL, environment: Environment, credentials: CredentialSource, breaker: CircuitBreaker) {
    this.#base = base;
    this.#environment = environment;
    this.#credentials = credentials;
    this.#breaker = breaker;
  }

  /** The answer's JSON. `path` is relative to `/api/v1/`. Throws a `RequestError`, or what an abort threw. */
  async json<T>(path: string, init: RequestInit = {}): Promise<T> {
    const response = await this.fetch(new URL(path, this.#base), init);
    if (!response.ok) {
      throw await errorOf(response);
    }
    const body: unknown = await response.json().catch(() => undefined);
    if (body === undefined) {
      throw new RequestError('unexpected', 'the answer is not JSON');
    }
    return body as T;
  }

  /** Like the platform's `fetch`. A token that is refused is replaced once, if there is another one. */
  readonly fetch = async (url: URL | string | Request, init: RequestInit = {}): Promise<Response> => {
    const token = await this.#token();
    const response = await this.#send(String(url), init, token);
    if (response.status !== 401 || !this.#credentials.refuse(token)) {
      return response;
    }
    return this.#send(String(url), init, await this.#token());
  };

  async #token(): Promise<string | null> {
    try {
      return await this.#credentials.token();
    } catch {
      throw new RequestError('no_token', 'no token for this request', {}, true);
    }
  }

  async #send(url: string, init: RequestInit, token: string | null): Promise<Response> {
    if (!this.#breaker.admit()) {
      throw new RequestError('breaker_open', 'the last requests failed, so this one was not sent', {}, true);
    }
    const abort = new AbortController();
    const follow = () => abort.abort(init.signal?.reason);
    init.signal?.addEventListener('abort', follow);
    const cancel = this.#environment.after(ANSWER_MS_MAX, () => abort.abort());
    const headers = new Headers(init.headers);
    if (token !== null) {
      headers.set('authorization', `Bearer ${token}`);
    }
    try {
      init.signal?.throwIfAborted();
      const response = await this.#environment.fetch(url, { ...init, headers, signal: abort.signal });
      this.#count(response.status < 500);
      return response;
    } catch (cause) {
      if (init.signal?.aborted) {
        // The page changed its mind, which says nothing about the server.
        this.#breaker.release();
        throw cause;
      }
      this.#count(false);
      throw new RequestError('offline', 'the server cannot be reached', {}, true);
    } finally {
      cancel();
      init.signal?.removeEventListener('abort', follow);
    }
  }

  #count(good: boolean): void {
    if (good) {
      this.#breaker.succeed();
    } else {
      this.#breaker.fail();
    }
  }
}
