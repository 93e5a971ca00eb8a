/** How a table panel's options make its columns look: heads, digits, pills, signs, ages. */

import { type Cell, numeric } from '@pulseboard/client';
import { fixed, formatAge, unitText } from '@pulseboard/react/format';
import type { PanelOptions } from '../shared/api';
import { client } from '../shared/live';
import type { CellLook } from '../table';

export function tableLook(options: PanelOptions): (column: string) => CellLook | undefined {
  const looks = new Map<string, CellLook | undefined>();
  return (column) => {
    if (!looks.has(column)) {
      looks.set(column, lookOf(column, options));
    }
    return looks.get(column);
  };
}

function lookOf(column: string, options: PanelOptions): CellLook | undefined {
  const label = options.labels?.[column];
  const states = options.states?.[column];
  const look = { label };
  if (options.ages?.includes(column)) {
    return { ...look, ages: true, text: (value) => ageText(value) };
  }
  if (typeof states === 'object') {
    return { ...look, level: (value) => states[String(value)] ?? 'neutral' };
  }
  const decimals = options.column_decimals?.[column];
  const signed = options.signed?.includes(column) === true;
  if (signed || decimals !== undefined) {
    const unit = options.units?.[column] ?? '';
    return { ...look, signed, text: (value) => numberText(value, unit, decimals, signed) };
  }
  return label === undefined ? undefined : look;
}

function ageText(value: Cell): string | null {
  const time_us = numeric(value);
  return time_us === null ? null : formatAge(Math.max(0, client.serverNow_ms() - time_us / 1_000));
}

function numberText(value: Cell, unit: string, decimals: number | undefined, signed: boolean): string | null {
  const number = numeric(value);
  if (number === null) {
    return null;
  }
  const size = unit === '' && decimals !== undefined ? fixed(number, decimals) : unitText(number, unit, decimals);
  return signed && number > 0 ? `+${size}` : size;
}
