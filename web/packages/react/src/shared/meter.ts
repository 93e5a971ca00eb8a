/** How a value between two ends is told to those who do not see it: a meter if it is known, else a picture of nothing. */

export interface Meter {
  readonly value: number | null;
  readonly min: number;
  readonly max: number;
  readonly label: string;
  /** The value as it is written, or why there is none. */
  readonly text: string;
}

export function meterProps({ value, min, max, label, text }: Meter) {
  return value === null
    ? { role: 'img', 'aria-label': `${label}: ${text}` }
    : {
        role: 'meter',
        'aria-valuenow': value,
        'aria-valuemin': min,
        'aria-valuemax': max,
        'aria-valuetext': text,
        'aria-label': label,
      };
}
