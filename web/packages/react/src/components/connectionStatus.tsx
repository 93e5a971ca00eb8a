'use client';
/** How the link is, as a word: live with its latency, or what is wrong, what is shown meanwhile, and when it is tried again. */

import type { ConnectionState, TransportKind } from '@pulseboard/client';
import { formatClock } from '../format/format.js';
import { useConnection } from '../hooks/useConnection.js';
import { useNow } from '../shared/beat.js';
import { useScope } from '../shared/context.js';
import { classes } from '../shared/honest.js';
import { OfflineIcon } from '../shared/icons.js';

export interface ConnectionStatusProps {
  /** Without a provider: whether data comes. Default the provider's connection. */
  readonly isConnected?: boolean | undefined;
  /** The state in full, if it is known otherwise. */
  readonly connection?: ConnectionState | undefined;
  readonly latency_ms?: number | null | undefined;
  /** The instant of the newest data that is known, wall-clock ms. */
  readonly lastKnown_ms?: number | null | undefined;
  /** Called by a click while there is no connection. Default the client's own retry. */
  readonly onRetry?: (() => void) | undefined;
  readonly className?: string | undefined;
}

const OVER: Record<TransportKind, string> = {
  websocket: 'over WebSocket',
  sse: 'over SSE',
  longpoll: 'by long polling',
  poll: 'by polling',
};

export function ConnectionStatus(props: ConnectionStatusProps) {
  const own = useConnection();
  const { timezone } = useScope();
  const told = props.isConnected;
  const state = props.connection ?? (told === undefined ? own.state : null);
  const isConnected = told ?? state?.status === 'open';
  // Latency and countdowns are read again each second; they are no reason to render by themselves.
  const now_ms = useNow();
  if (isConnected) {
    const latency_ms = props.latency_ms ?? own.latency_ms;
    const over = state?.status === 'open' ? OVER[state.transport] : '';
    return (
      <Pill tone="ok" title={`Connected ${over}`.trim()} className={props.className}>
        <i className="pb-link-dot" />
        <span className="pb-link-word">Live</span>
        {latency_ms === null ? null : <span className="pb-link-figure">{latencyText(latency_ms)}</span>}
      </Pill>
    );
  }
  const lastKnown_ms = props.lastKnown_ms ?? own.lastKnown_ms;
  if (state?.status === 'idle' || (state?.status === 'connecting' && lastKnown_ms === null)) {
    const word = state.status === 'idle' ? 'Idle' : 'Connecting';
    return (
      <Pill tone="quiet" title={word} className={props.className}>
        <span className="pb-link-word">{word}</span>
      </Pill>
    );
  }
  const text = offlineText(state, lastKnown_ms, now_ms, timezone);
  const retry = props.onRetry ?? (state === null ? undefined : own.retry);
  const body = (
    <>
      <OfflineIcon size={14} />
      <span role="status">{text}</span>
    </>
  );
  return retry === undefined ? (
    <div className={classes('pb-link', props.className)} data-tone="warning">
      {body}
    </div>
  ) : (
    <button
      type="button"
      className={classes('pb-link', props.className)}
      data-tone="warning"
      title="Try now"
      onClick={retry}
    >
      {body}
    </button>
  );
}

function offlineText(
  state: ConnectionState | null,
  lastKnown_ms: number | null,
  now_ms: number | null,
  zone?: string,
): string {
  const parts = ['offline'];
  if (lastKnown_ms !== null) {
    parts.push(`last known ${formatClock(lastKnown_ms, zone)}`);
  }
  if (state?.status === 'waiting') {
    const seconds = Math.max(0, Math.ceil((state.retry_at_ms - (now_ms ?? state.retry_at_ms)) / 1_000));
    parts.push(seconds === 0 ? 'retrying now' : `retrying in ${seconds} s`);
  } else if (state?.status === 'closed') {
    parts.push(`ended: ${state.detail || state.reason}`);
  } else if (state?.status === 'connecting') {
    parts.push('retrying now');
  }
  return parts.join(', ');
}

/** Below a millisecond the estimate of the server's clock is all that is measured. */
function latencyText(latency_ms: number): string {
  if (latency_ms < 1) {
    return '< 1 ms';
  }
  return `${latency_ms < 9.95 ? latency_ms.toFixed(1) : Math.round(latency_ms)} ms`;
}

interface PillProps {
  readonly tone: 'ok' | 'quiet';
  readonly title: string;
  readonly className: string | undefined;
  readonly children: React.ReactNode;
}

function Pill({ tone, title, className, children }: PillProps) {
  return (
    <div className={classes('pb-link', className)} data-tone={tone} title={title} role="status">
      {children}
    </div>
  );
}
