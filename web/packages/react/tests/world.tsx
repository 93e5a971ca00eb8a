/** A page in a world under the test's hand: fake server, fake clock, a provider around what is rendered. */

import { PulseClient } from '@pulseboard/client';
import { FakeServer, FakeWorld } from '@pulseboard/client/testing';
import { act } from '@testing-library/react';
import type { ReactNode } from 'react';
import { PulseboardProvider } from '../src/index.js';

declare global {
  var IS_REACT_ACT_ENVIRONMENT: boolean;
}
globalThis.IS_REACT_ACT_ENVIRONMENT = true;

export const COLUMNS = [
  { name: 'item', type: 'string', key: true },
  { name: 'n', type: 'int' },
  { name: 'total', type: 'decimal(12,2)' },
];

export function makeWorld() {
  const server = new FakeServer();
  server.view('view:orders', COLUMNS);
  server.set('view:orders', 'flask', { item: 'flask', n: 1, total: '24.50' });
  server.set('view:orders', 'shell', { item: 'shell', n: 2, total: '90.00' });
  const world = new FakeWorld({ server });
  const client = new PulseClient({ url: 'http://pulse.test/api/v1/', environment: world, share: false });
  /** Lets time pass, promises run and a frame be painted. */
  const settle = (time_ms = 100) =>
    act(async () => {
      await world.advance(time_ms);
      world.paint();
    });
  const wrapper = ({ children }: { readonly children: ReactNode }) => (
    <PulseboardProvider client={client} locale="en-US">
      {children}
    </PulseboardProvider>
  );
  return { server, world, client, settle, wrapper };
}
