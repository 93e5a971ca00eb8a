import '@pulseboard/react/styles.css';
import { PulseboardProvider } from '@pulseboard/react';
import type { ReactNode } from 'react';

/** The address is read when a page is asked for, not when it is built. */
export const dynamic = 'force-dynamic';

export const metadata = { title: 'Shop' };

/** The provider is a client component, so it may stand in a layout that the server renders. */
export default function Layout({ children }: { readonly children: ReactNode }) {
  return (
    <html lang="en">
      <body style={{ margin: 0, background: 'var(--pb-bg)' }}>
        <PulseboardProvider url={process.env.PULSEBOARD_URL ?? 'http://127.0.0.1:8080'} locale="en-US">
          {children}
        </PulseboardProvider>
      </body>
    </html>
  );
}
