/** Which state a value is in by its thresholds. */

export type Level = 'ok' | 'warning' | 'critical';

/** From where on a value is worth a warning. With `critical` below `warning` less is worse, as with stock. */
export interface Thresholds {
  readonly warning?: number;
  readonly critical?: number;
}

/** Null if there is nothing to judge by. */
export function levelOf(value: number | null | undefined, thresholds: Thresholds | null | undefined): Level | null {
  if (value === null || value === undefined || thresholds === null || thresholds === undefined) {
    return null;
  }
  const { warning, critical } = thresholds;
  if (warning === undefined && critical === undefined) {
    return null;
  }
  const falling = warning !== undefined && critical !== undefined && critical < warning;
  const passed = (limit: number | undefined) => limit !== undefined && (falling ? value <= limit : value >= limit);
  return passed(critical) ? 'critical' : passed(warning) ? 'warning' : 'ok';
}

/** The word that stands beside the colour. */
export const LEVEL_WORD: Record<Level, string> = { ok: 'ok', warning: 'warning', critical: 'critical' };
