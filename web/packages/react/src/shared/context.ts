'use client';
/** What a provider hands down: the client, and how the reader is written to. Components work without any provider. */

import type { PulseClient } from '@pulseboard/client';
import { createContext, useContext, useSyncExternalStore } from 'react';
import { readerLocale, SERVER_LOCALE } from '../format/format.js';

export interface PulseScope {
  /** Null until the page is alive (a server that renders has none), and without a provider. */
  readonly client: PulseClient | null;
  /** A BCP 47 name; undefined follows the reader. */
  readonly locale: string | undefined;
  /** An IANA name; undefined follows the reader. */
  readonly timezone: string | undefined;
}

export const PulseContext = createContext<PulseScope>({ client: null, locale: undefined, timezone: undefined });

export function useScope(): PulseScope {
  return useContext(PulseContext);
}

const never = () => () => {};

/**
 * The language to write in: what is asked for, else the provider's, else the reader's.
 *
 * While a page is hydrated it is the server's, so that both write the same; right afterwards it is the reader's.
 */
export function useLocale(asked?: string): string {
  const { locale } = useScope();
  const reader = useSyncExternalStore(never, readerLocale, () => SERVER_LOCALE);
  return asked ?? locale ?? reader;
}
