/**
 * A request that does not let its page down: a deadline, retries with jitter, a breaker for each host, the last good
 * answer, and a fallback. What came is always said with where it is from and how old it is.
 *
 * Only requests that may be made twice are retried, and only after network errors, deadlines and 5xx. No React.
 */

import { type BreakerOptions, CircuitBreaker, type Environment, platformEnvironment } from '@pulseboard/client';

export interface ResilientOptions<T> {
  readonly init?: RequestInit | undefined;
  /** How long each try may take. Default 5,000 ms. */
  readonly timeout_ms?: number | undefined;
  /** How many more tries there are. Default 3. */
  readonly retries?: number | undefined;
  /** The ceiling of the first wait; it doubles. Default 1,000 ms: 1, 2, 4 s. */
  readonly base_ms?: number | undefined;
  readonly cap_ms?: number | undefined;
  /** When a host is left alone after failures. Default 5 in a row, for 60,000 ms. False for never. */
  readonly breaker?: Partial<BreakerOptions> | false | undefined;
  /** What is given when nothing else is there. */
  readonly fallback?: T | (() => T) | undefined;
  /** How old a good answer may be that stands in for one that does not come. Default 86,400,000 ms; 0 for none. */
  readonly cache_ms?: number | undefined;
  /** Turns an answer into data. Default its JSON. */
  readonly parse?: ((response: Response) => Promise<T>) | undefined;
  readonly environment?: Environment | undefined;
}

export interface ResilientResult<T> {
  readonly data: T;
  /** `network`: just now. `cache`: the last good answer. `fallback`: what was given for that case. */
  readonly source: 'network' | 'cache' | 'fallback';
  /** How old the data is; null for a fallback. */
  readonly age_ms: number | null;
  /** Why the data is not from the network. */
  readonly error: Error | null;
}

/** Why there was no answer, and none to stand in for it. */
export class FetchError extends Error {
  override readonly name = 'FetchError';

  constructor(
    message: string,
    /** The status of the last answer; null if there was none. */
    readonly status: number | null,
    /** Whether the same request may succeed later. */
    readonly temporary: boolean,
    /** How long the server asked to wait before that. */
    readonly after_ms: number | null = null,
  ) {
    super(message);
  }
}

const TIMEOUT_MS = 5_000;
const RETRIES = 3;
const BASE_MS = 1_000;
const CAP_MS = 30_000;
const CACHE_MS = 86_400_000;
/** How many answers are kept; the oldest go first. */
const CACHE_ENTRIES_MAX = 200;
const BREAKER: BreakerOptions = { failures_max: 5, open_ms: 60_000 };
/** Requests that may be made twice with the same effect. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

const breakers = new Map<string, CircuitBreaker>();
const answers = new Map<string, { readonly data: unknown; readonly at_ms: number }>();

/** Forgets breakers and kept answers: for tests, or when the user changes. */
export function resetResilience(): void {
  breakers.clear();
  answers.clear();
}

export async function resilientFetch<T = unknown>(
  url: string | URL,
  options: ResilientOptions<T> = {},
): Promise<ResilientResult<T>> {
  const { environment = platformEnvironment(), init = {}, cache_ms = CACHE_MS } = options;
  const method = (init.method ?? 'GET').toUpperCase();
  const isRead = method === 'GET' || method === 'HEAD';
  const key = `${method} ${url}`;
  try {
    const data = await attempts<T>(String(url), method, options, environment);
    if (isRead && cache_ms > 0) {
      keep(key, data, environment.now());
    }
    return { data, source: 'network', age_ms: 0, error: null };
  } catch (cause) {
    // The page changed its mind: nothing is to stand in for an answer that nobody wants.
    if (init.signal?.aborted === true) {
      throw cause;
    }
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const kept = isRead ? answers.get(key) : undefined;
    const age_ms = kept === undefined ? Number.POSITIVE_INFINITY : environment.now() - kept.at_ms;
    if (kept !== undefined && age_ms <= cache_ms) {
      return { data: kept.data as T, source: 'cache', age_ms, error };
    }
    if (options.fallback !== undefined) {
      const { fallback } = options;
      return {
        data: typeof fallback === 'function' ? (fallback as () => T)() : fallback,
        source: 'fallback',
        age_ms: null,
        error,
      };
    }
    throw error;
  }
}

function keep(key: string, data: unknown, at_ms: number): void {
  answers.delete(key);
  answers.set(key, { data, at_ms });
  for (const oldest of answers.keys()) {
    if (answers.size <= CACHE_ENTRIES_MAX) {
      break;
    }
    answers.delete(oldest);
  }
}

async function attempts<T>(
  url: string,
  method: string,
  options: ResilientOptions<T>,
  environment: Environment,
): Promise<T> {
  const { retries = RETRIES, base_ms = BASE_MS, cap_ms = CAP_MS, init } = options;
  const breaker = options.breaker === false ? null : breakerOf(url, { ...BREAKER, ...options.breaker }, environment);
  for (let attempt = 0; ; attempt += 1) {
    if (breaker?.admit() === false) {
      throw new FetchError('the last requests to this host failed, so this one was not sent', null, true);
    }
    try {
      const data = await once(url, options, environment);
      breaker?.succeed();
      return data;
    } catch (cause) {
      if (init?.signal?.aborted === true) {
        breaker?.release();
        throw cause;
      }
      const error = cause instanceof FetchError ? cause : new FetchError(String(cause), null, false);
      // A refusal is an answer: the host is there.
      if (error.temporary) {
        breaker?.fail();
      } else {
        breaker?.succeed();
      }
      if (!error.temporary || attempt >= retries || !IDEMPOTENT.has(method)) {
        throw error;
      }
      const ceiling_ms = Math.min(cap_ms, base_ms * 2 ** attempt);
      const wait_ms = error.after_ms ?? Math.floor(environment.random() * ceiling_ms);
      await pause(wait_ms, init?.signal ?? null, environment);
    }
  }
}

function pause(wait_ms: number, signal: AbortSignal | null, environment: Environment): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = environment.after(wait_ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

async function once<T>(url: string, options: ResilientOptions<T>, environment: Environment): Promise<T> {
  const { init = {}, timeout_ms = TIMEOUT_MS, parse = json as (response: Response) => Promise<T> } = options;
  const abort = new AbortController();
  const follow = () => abort.abort(init.signal?.reason);
  init.signal?.addEventListener('abort', follow);
  let isLate = false;
  const cancel = environment.after(timeout_ms, () => {
    isLate = true;
    abort.abort();
  });
  try {
    init.signal?.throwIfAborted();
    const response = await environment.fetch(url, { ...init, signal: abort.signal });
    if (!response.ok) {
      const temporary = response.status >= 500;
      throw new FetchError(
        `the server answered ${response.status}`,
        response.status,
        temporary,
        retryAfter_ms(response),
      );
    }
    return await parse(response);
  } catch (cause) {
    if (cause instanceof FetchError || init.signal?.aborted === true) {
      throw cause;
    }
    if (cause instanceof SyntaxError) {
      throw new FetchError('the answer is not JSON', null, false);
    }
    throw new FetchError(isLate ? `no answer in ${timeout_ms} ms` : 'the server cannot be reached', null, true);
  } finally {
    cancel();
    init.signal?.removeEventListener('abort', follow);
  }
}

function json(response: Response): Promise<unknown> {
  return response.json();
}

function retryAfter_ms(response: Response): number | null {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1_000 : null;
}

function breakerOf(url: string, options: BreakerOptions, environment: Environment): CircuitBreaker {
  const host = /^[a-z]+:\/\/[^/]+/i.exec(url)?.[0] ?? '';
  let breaker = breakers.get(host);
  if (breaker === undefined) {
    breaker = new CircuitBreaker(options, () => environment.now());
    breakers.set(host, breaker);
  }
  return breaker;
}
