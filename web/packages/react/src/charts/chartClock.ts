/**
 * The instant that charts end at: the server's clock while data flows, the last known instant while it does not.
 *
 * So a paused or disconnected board stands still instead of sliding out of its own picture. It knows the client only by
 * what it asks of it; without one the page's own clock runs.
 */

import type { PulseClient } from '@pulseboard/client';

/** What a clock asks of a client. */
export type ClockSource = Pick<PulseClient, 'onFrame' | 'serverNow_ms' | 'storedAt_ms' | 'connection'>;

/** What a chart asks of a clock. */
export interface NowSource {
  now_ms(): number;
}

/** The page's own clock: for charts of data that comes from elsewhere. */
export const WALL_CLOCK: NowSource = { now_ms: () => Date.now() };

/** How much later than the newest frame the picture may run: ticks come each second. */
const AHEAD_MS_MAX = 3_000;

export class ChartClock implements NowSource {
  readonly #client: ClockSource;
  readonly #stop: () => void;
  #paused = false;
  #frame_ms: number | null = null;

  constructor(client: ClockSource) {
    this.#client = client;
    this.#stop = client.onFrame(({ time_us }) => {
      // Held still, it stands where it stood: what else the page follows goes on.
      this.#frame_ms = this.#paused ? this.#frame_ms : time_us / 1_000;
    });
  }

  setPaused(value: boolean): void {
    this.#paused = value;
  }

  /** The server's clock of the newest frame; before the first, when the data on screen was kept; null without any. */
  get lastInstant_ms(): number | null {
    return this.#frame_ms ?? this.#client.storedAt_ms;
  }

  now_ms(): number {
    const now_ms = this.#client.serverNow_ms();
    const last_ms = this.lastInstant_ms;
    if (last_ms === null) {
      return now_ms;
    }
    const flows = !this.#paused && this.#frame_ms !== null && this.#client.connection.status === 'open';
    return flows ? Math.min(now_ms, last_ms + AHEAD_MS_MAX) : last_ms;
  }

  /** Hears no more frames. */
  close(): void {
    this.#stop();
  }
}
