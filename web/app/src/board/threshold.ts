/** Which state a value is in by its panel's thresholds: high is bad, unless what is critical lies below what is a warning. */

import type { Panel } from '../shared/api';

export type Level = 'ok' | 'warning' | 'critical';

export function level(value: number | null, thresholds: Panel['thresholds']): Level | null {
  if (value === null || thresholds === null || thresholds === undefined) {
    return null;
  }
  const { warning, critical } = thresholds;
  const low = warning !== undefined && critical !== undefined && critical < warning;
  const beyond = (limit: number | undefined) => limit !== undefined && (low ? value <= limit : value >= limit);
  if (beyond(critical)) {
    return 'critical';
  }
  return beyond(warning) ? 'warning' : 'ok';
}
