/** What the pill says of a link that is open. Pure: it is told what was measured. */

import type { TransportKind } from '@pulseboard/client';

export interface OpenLink {
  readonly transport: TransportKind;
  /** From the acceptance of the last events to the screen; null before any. */
  readonly latency_ms: number | null;
  /** How often frames were asked for at most, if that is less than usual. */
  readonly saving_hz: number | null;
}

export interface LinkLook {
  readonly tone: 'ok' | 'warning';
  readonly word: 'Live' | 'Polling' | 'Throttled';
  readonly figure: string | null;
  readonly title: string;
}

const OVER: Record<TransportKind, string> = {
  websocket: 'over WebSocket',
  sse: 'over SSE',
  longpoll: 'by long polling',
  poll: 'by polling',
};

/** Frames are asked for as they come; later than this they come slower than asked. */
const LATE_MS = 1_000;

export function openLink({ transport, latency_ms, saving_hz }: OpenLink): LinkLook {
  const figure = latency_ms === null ? null : latencyText(latency_ms);
  const over = `Connected ${OVER[transport]}`;
  const took = figure === null ? '' : `; the last events took ${figure} from acceptance to the screen`;
  if (saving_hz !== null) {
    const title = `${over}, ${saving_hz === 1 ? 'a frame' : `${saving_hz} frames`} a second at most: this device saves data or power${took}`;
    return { tone: 'ok', word: 'Throttled', figure: `${saving_hz} Hz`, title };
  }
  if (transport !== 'poll' && latency_ms !== null && latency_ms > LATE_MS) {
    const title = `${over}${took}: the link, this page or the server is behind. What is shown is the newest state, what was in between is merged`;
    return { tone: 'warning', word: 'Throttled', figure, title };
  }
  return { tone: 'ok', word: transport === 'poll' ? 'Polling' : 'Live', figure, title: `${over}${took}` };
}

/** Below a millisecond the estimate of the server's clock is all that is measured. */
function latencyText(latency_ms: number): string {
  if (latency_ms < 1) {
    return '< 1 ms';
  }
  if (latency_ms >= 999.5) {
    return `${(latency_ms / 1_000).toFixed(1)} s`;
  }
  return `${latency_ms < 9.95 ? latency_ms.toFixed(1) : Math.round(latency_ms)} ms`;
}
