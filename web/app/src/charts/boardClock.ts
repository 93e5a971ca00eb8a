/**
 * The instant that charts end at: the server's clock while data flows, the last known instant while it does not.
 *
 * So a paused or disconnected board stands still instead of sliding out of its own picture.
 */

import { client } from '../shared/live';

/** How much later than the newest frame the picture may run: ticks come each second. */
const AHEAD_MS_MAX = 3_000;

let paused = false;
let lastInstant_ms: number | null = null;

client.onFrame(({ time_us }) => {
  lastInstant_ms = time_us / 1_000;
});

export const boardClock = {
  setPaused(value: boolean): void {
    paused = value;
  },

  /** The server's clock of the newest frame; before the first, when the data on screen was kept; null without any. */
  get lastInstant_ms(): number | null {
    return lastInstant_ms ?? client.storedAt_ms;
  },

  now_ms(): number {
    const now_ms = client.serverNow_ms();
    const last_ms = boardClock.lastInstant_ms;
    if (last_ms === null) {
      return now_ms;
    }
    const flows = !paused && lastInstant_ms !== null && client.connection.status === 'open';
    return flows ? Math.min(now_ms, last_ms + AHEAD_MS_MAX) : last_ms;
  },
};
