/** Colours for canvases: the values of the CSS tokens, read once per theme. */

const SERIES_COUNT = 8;

let cache = new Map<string, string>();

new MutationObserver(() => {
  cache = new Map();
}).observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme', 'class'] });

/** The value of `--name`. */
export function token(name: string): string {
  let value = cache.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    cache.set(name, value);
  }
  return value;
}

/** The token of the `index`-th series (from 0), going round after the last. */
export function seriesToken(index: number): string {
  return `series-${(index % SERIES_COUNT) + 1}`;
}

/** A colour with an alpha, for canvases. Tokens are six-digit hex. */
export function alpha(hex: string, opacity: number): string {
  const byte = Math.round(opacity * 255);
  return `${hex}${byte.toString(16).padStart(2, '0')}`;
}
