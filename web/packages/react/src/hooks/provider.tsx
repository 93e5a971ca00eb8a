'use client';
/** Makes one client for everything below it and hands it down. On a server that renders there is none. */

import { type ClientOptions, PulseClient } from '@pulseboard/client';
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react';
import { PulseContext, useScope } from '../shared/context.js';

export interface PulseboardProviderProps {
  /** Where the server is: `http://host:8080`, or the path of its API on this page's host. Default this page's host. */
  readonly url?: string | undefined;
  /** Everything else that a client can be told. Read once, when the client is made. */
  readonly options?: Omit<ClientOptions, 'url'> | undefined;
  /** A client that was made elsewhere; then it is closed elsewhere, too. */
  readonly client?: PulseClient | undefined;
  /** A BCP 47 name for numbers and dates. Default the reader's own. */
  readonly locale?: string | undefined;
  /** An IANA name for times. Default the reader's own. */
  readonly timezone?: string | undefined;
  readonly children?: ReactNode;
}

/** The absolute URL of the API: a host alone means the one that Pulseboard has by default. */
export function apiUrl(url: string, base: string): string {
  const absolute = new URL(url, base);
  if (absolute.pathname === '/') {
    absolute.pathname = '/api/v1/';
  } else if (!absolute.pathname.endsWith('/')) {
    absolute.pathname += '/';
  }
  return absolute.href;
}

export function PulseboardProvider(props: PulseboardProviderProps) {
  const { url = '/', options, client: given, locale, timezone, children } = props;
  const [made, setMade] = useState<PulseClient | null>(null);
  const asked = useRef(options);
  useEffect(() => {
    if (given !== undefined) {
      return;
    }
    const client = new PulseClient({ ...asked.current, url: apiUrl(url, document.baseURI) });
    setMade(client);
    return () => {
      setMade(null);
      client.close();
    };
  }, [url, given]);
  const client = given ?? made;
  const scope = useMemo(() => ({ client, locale, timezone }), [client, locale, timezone]);
  return <PulseContext value={scope}>{children}</PulseContext>;
}

/** The client of the provider above; null on a server that renders, in the first moment of a page, and without a provider. */
export function usePulseClient(): PulseClient | null {
  return useScope().client;
}
