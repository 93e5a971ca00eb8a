/** Prices over time as candles, and what may be said of a list of them. No chart in here. */

export interface Candle {
  /** When it began, ms since 1970. */
  readonly time_ms: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume?: number | undefined;
}

/** Candles of the same second are one: a chart has one place for each second. */
export function mergeSeconds(candles: readonly Candle[]): readonly Candle[] {
  const merged: Candle[] = [];
  for (const candle of [...candles].sort((a, b) => a.time_ms - b.time_ms)) {
    const last = merged.at(-1);
    if (last !== undefined && second(last) === second(candle)) {
      merged[merged.length - 1] = joined(last, candle);
    } else {
      merged.push(candle);
    }
  }
  return merged;
}

export function second({ time_ms }: Candle): number {
  return Math.floor(time_ms / 1_000);
}

function joined(a: Candle, b: Candle): Candle {
  const volume = a.volume === undefined && b.volume === undefined ? {} : { volume: (a.volume ?? 0) + (b.volume ?? 0) };
  return {
    time_ms: a.time_ms,
    open: a.open,
    high: Math.max(a.high, b.high),
    low: Math.min(a.low, b.low),
    close: b.close,
    ...volume,
  };
}

/** From which place on `now` differs from `before`; null if it is not a continuation and must be set anew. */
export function continuesFrom(before: readonly Candle[], now: readonly Candle[]): number | null {
  if (before.length === 0 || now.length < before.length) {
    return null;
  }
  const last = before.length - 1;
  for (const index of [0, last - 1, last]) {
    const [a, b] = [before[index], now[index]];
    if (index >= 0 && (a === undefined || b === undefined || second(a) !== second(b))) {
      return null;
    }
  }
  const settled = before[last - 1];
  const same = now[last - 1];
  return settled === undefined || (same !== undefined && settled.close === same.close && settled.open === same.open)
    ? last
    : null;
}
