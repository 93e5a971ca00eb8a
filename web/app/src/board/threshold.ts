/** Which state a value is in by its panel's thresholds. */

import type { Panel } from '../shared/api';

export type Level = 'ok' | 'warning' | 'critical';

export function level(value: number | null, thresholds: Panel['thresholds']): Level | null {
  if (value === null || thresholds === null || thresholds === undefined) {
    return null;
  }
  if (thresholds.critical !== undefined && value >= thresholds.critical) {
    return 'critical';
  }
  return thresholds.warning !== undefined && value >= thresholds.warning ? 'warning' : 'ok';
}
