/**
 * The server's clock as seen from here, and how long an event takes to the screen.
 *
 * A pong tells the clock to within half its round trip, so the quickest of the last ones is believed. Without pongs (SSE)
 * the frames' clocks do: they arrive a little late, so the largest difference has the least delay in it. Never changes
 * what is shown, only measures it.
 */

/** How many observations the estimates look back on: some minutes of pongs, about a minute of a lively board's frames. */
const PONGS_KEPT = 16;
const FRAMES_KEPT = 64;
const LATENCIES_KEPT = 32;

/** An event that took longer than this was not live: it came with a resume or a slow query. */
const LATENCY_MS_MAX = 30_000;

interface Pong {
  readonly round_trip_ms: number;
  readonly offset_ms: number;
}

export class ServerClock {
  #frames: number[] = [];
  #pongs: Pong[] = [];

  /** A frame whose clock says `server_ms` came in at `received_ms`. */
  observeFrame(server_ms: number, received_ms: number): void {
    keep(this.#frames, server_ms - received_ms, FRAMES_KEPT);
  }

  /** A ping sent at `sentAt_ms` was answered by `received_ms` with the server's clock. */
  observePong(server_ms: number, sentAt_ms: number, received_ms: number): void {
    const offset_ms = server_ms - (sentAt_ms + received_ms) / 2;
    keep(this.#pongs, { round_trip_ms: received_ms - sentAt_ms, offset_ms }, PONGS_KEPT);
  }

  /** Server time minus local time in ms; null until something came. */
  get offset_ms(): number | null {
    const [first, ...rest] = this.#pongs;
    if (first !== undefined) {
      return rest.reduce((best, pong) => (pong.round_trip_ms < best.round_trip_ms ? pong : best), first).offset_ms;
    }
    return this.#frames.length === 0 ? null : Math.max(...this.#frames);
  }

  /** The server's clock at the local instant `local_ms`. */
  serverTime(local_ms: number): number {
    return local_ms + (this.offset_ms ?? 0);
  }

  /** A new connection may lead to another machine. */
  reset(): void {
    this.#frames = [];
    this.#pongs = [];
  }
}

/** Event→screen: from the acceptance of the newest event to the paint that shows it. */
export class LatencyEstimate {
  #samples: number[] = [];

  record(latency_ms: number): void {
    if (latency_ms < LATENCY_MS_MAX) {
      keep(this.#samples, Math.max(0, latency_ms), LATENCIES_KEPT);
    }
  }

  /** The median of the last events in ms; null until one was seen. */
  get median_ms(): number | null {
    const sorted = [...this.#samples].sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? null;
  }
}

function keep<T>(list: T[], value: T, max: number): void {
  list.push(value);
  if (list.length > max) {
    list.shift();
  }
}
