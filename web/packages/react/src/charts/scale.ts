/** Ranges and ticks of value axes: round numbers, and no jumping when data moves a little. */

/** Steps that read well, per power of ten or of two. */
const DECIMAL_STEPS = [1, 2, 2.5, 5, 10];
const BINARY_STEPS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/** How much smaller the data must be before the axis shrinks. */
const SHRINK_BELOW = 0.55;

/** The smallest round step that makes at most `ticks_max` steps up to `span`. */
export function roundStep(span: number, ticks_max: number, binary: boolean): number {
  const rough = span / ticks_max;
  if (!(rough > 0)) {
    return 1;
  }
  const base = binary ? 1_024 : 10;
  const power = base ** Math.floor(Math.log(rough) / Math.log(base));
  const step = (binary ? BINARY_STEPS : DECIMAL_STEPS).find((candidate) => candidate * power >= rough - 1e-12);
  return (step ?? base) * power;
}

/** The ticks from `min` to `max`. */
export function ticks(min: number, max: number, ticks_max: number, binary: boolean): number[] {
  const step = roundStep(max - min, ticks_max, binary);
  const found: number[] = [];
  for (let value = Math.ceil(min / step) * step; value <= max + step * 1e-6; value += step) {
    found.push(value);
  }
  return found;
}

/** An axis that grows at once and shrinks late. */
export class SteadyRange {
  #max: number | null = null;

  /** The top of the axis for data up to `dataMax`, with room above it. */
  top(min: number, dataMax: number, ticks_max: number, binary: boolean): number {
    const span = Math.max(dataMax - min, Number.MIN_VALUE) * 1.08;
    const step = roundStep(span, ticks_max, binary);
    const wanted = min + Math.ceil(span / step) * step;
    const held = this.#max;
    if (held === null || wanted > held || dataMax - min < (held - min) * SHRINK_BELOW) {
      this.#max = wanted;
    }
    return this.#max ?? wanted;
  }
}
