/** How the link to the server is: a word, and the measured time from event to screen. */

import type { TransportKind } from '@pulseboard/client';
import { formatClock } from '@pulseboard/react/format';
import { boardClock } from '../shared/boardClock';
import { OfflineIcon } from '../shared/icons';
import { client, savingHz, useBeat, useConnection } from '../shared/live';
import { openLink } from './openLink';

const BEAT_MS = 500;

export function LinkPill({ zone }: { readonly zone: string | undefined }) {
  const connection = useConnection();
  useBeat(BEAT_MS);
  switch (connection.status) {
    case 'open':
      return <OpenPill transport={connection.transport} />;
    case 'idle':
      return (
        <Pill tone="quiet" title="Nothing on this page is live">
          <span className="pill-word">Idle</span>
        </Pill>
      );
    case 'connecting':
    case 'waiting':
    case 'closed':
      return <OfflinePill zone={zone} />;
  }
}

function OpenPill({ transport }: { readonly transport: TransportKind }) {
  const { tone, word, figure, title } = openLink({ transport, latency_ms: client.latency_ms, saving_hz: savingHz() });
  return (
    <Pill tone={tone} title={title}>
      <i className="pill-dot" />
      <span className="pill-word">{word}</span>
      {figure === null ? null : <span className="pill-figure">{figure}</span>}
    </Pill>
  );
}

function OfflinePill({ zone }: { readonly zone: string | undefined }) {
  const connection = useConnection();
  const known_ms = boardClock.lastInstant_ms;
  if (known_ms === null && connection.status === 'connecting') {
    return (
      <Pill tone="quiet" title="Connecting">
        <span className="pill-word">Connecting</span>
      </Pill>
    );
  }
  const parts = ['offline'];
  if (known_ms !== null) {
    parts.push(`last known ${formatClock(known_ms, zone)}`);
  }
  if (connection.status === 'waiting') {
    const seconds = Math.max(0, Math.ceil((connection.retry_at_ms - Date.now()) / 1_000));
    parts.push(seconds === 0 ? 'retrying now' : `retrying in ${seconds} s`);
  } else {
    parts.push(
      connection.status === 'closed'
        ? `ended by the server: ${connection.detail || connection.reason}`
        : 'retrying now',
    );
  }
  return (
    <button type="button" className="pill" data-tone="warning" onClick={() => client.retryNow()} title="Try now">
      <OfflineIcon size={14} />
      <span role="status">{parts.join(', ')}</span>
    </button>
  );
}

interface PillProps {
  readonly tone: 'ok' | 'quiet' | 'warning';
  readonly title: string;
  readonly children: React.ReactNode;
}

function Pill({ tone, title, children }: PillProps) {
  return (
    <div className="pill" data-tone={tone} title={title} role="status">
      {children}
    </div>
  );
}
