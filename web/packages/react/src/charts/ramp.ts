/** Colours between the panel's ground and a full colour, for cells that show how much: light is little, in either theme. */

const STEPS = 24;
/** The share of the full colour that the smallest value has: zero is a cell, unknown is none. */
const FLOOR = 0.18;

/** Style sheets that were made small write `#fff` for `#ffffff`. */
function channels(hex: string): readonly [number, number, number] {
  const digits = hex.slice(1);
  const value = Number.parseInt(digits.length === 3 ? digits.replace(/./g, '$&$&') : digits, 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** Which step of a ramp a value has. */
export function rampIndex(value: number, low: number, high: number): number {
  const part = high > low ? (value - low) / (high - low) : value > low ? 1 : 0;
  return Math.min(STEPS - 1, Math.max(0, Math.floor(part * STEPS)));
}

/** The colours from little to much. Both ends are hex, of three digits or six. */
export function ramp(ground: string, full: string): readonly string[] {
  const [from, to] = [channels(ground), channels(full)];
  return Array.from({ length: STEPS }, (_, step) => {
    const part = FLOOR + (1 - FLOOR) * (step / (STEPS - 1));
    const mixed = from.map((channel, index) => Math.round(channel + ((to[index] ?? 0) - channel) * part));
    return `rgb(${mixed.join(' ')})`;
  });
}
