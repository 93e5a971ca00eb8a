/** How the link to the server is: a word, and the measured time from event to screen. */

import type { TransportKind } from '@pulseboard/client';
import { formatClock } from '@pulseboard/react/format';
import { boardClock } from '../shared/boardClock';
import { OfflineIcon } from '../shared/icons';
import { client, useBeat, useConnection } from '../shared/live';

const BEAT_MS = 500;

const OVER: Record<TransportKind, string> = {
  websocket: 'over WebSocket',
  sse: 'over SSE',
  longpoll: 'by long polling',
  poll: 'by polling',
};

export function LinkPill({ zone }: { readonly zone: string | undefined }) {
  const connection = useConnection();
  useBeat(BEAT_MS);
  switch (connection.status) {
    case 'open':
      return <OpenPill over={OVER[connection.transport]} word={connection.transport === 'poll' ? 'Polling' : 'Live'} />;
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

function OpenPill({ over, word }: { readonly over: string; readonly word: string }) {
  const { latency_ms } = client;
  const shown = latency_ms === null ? null : latencyText(latency_ms);
  const title = `Connected ${over}${shown === null ? '' : `; the last events took ${shown} ms from acceptance to the screen`}`;
  return (
    <Pill tone="ok" title={title}>
      <i className="pill-dot" />
      <span className="pill-word">{word}</span>
      {shown === null ? null : <span className="pill-figure">{shown} ms</span>}
    </Pill>
  );
}

/** Below a millisecond the estimate of the server's clock is all that is measured. */
function latencyText(latency_ms: number): string {
  if (latency_ms < 1) {
    return '< 1';
  }
  return latency_ms < 9.95 ? latency_ms.toFixed(1) : String(Math.round(latency_ms));
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
  readonly tone: 'ok' | 'quiet';
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
