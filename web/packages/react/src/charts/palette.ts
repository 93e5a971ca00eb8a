/** Colours for canvases: the values of the CSS tokens, read once per theme. Touches no page until it is asked. */

const SERIES_COUNT = 8;

/** What a token is worth where there is no style sheet: a canvas needs some colour. */
const FALLBACK = '#8a94a6';

let cache: Map<string, string> | null = null;
const themed = new Set<() => void>();

/** Begins to watch what may change a token: the theme on the root element, and what the system prefers. */
function watch(): Map<string, string> {
  const fresh = new Map<string, string>();
  const forget = () => {
    fresh.clear();
    for (const listener of [...themed]) {
      listener();
    }
  };
  new MutationObserver(forget).observe(document.documentElement, { attributes: true });
  matchMedia('(prefers-color-scheme: light)').addEventListener('change', forget);
  return fresh;
}

/** The value of `--pb-NAME` on the root element. */
export function token(name: string): string {
  cache ??= watch();
  const known = cache.get(name);
  if (known !== undefined) {
    return known;
  }
  const value = getComputedStyle(document.documentElement).getPropertyValue(`--pb-${name}`).trim();
  // A sheet that is still on its way must not be remembered as one without colours.
  if (value !== '') {
    cache.set(name, value);
  }
  return value === '' ? FALLBACK : value;
}

/** Calls when colours may have changed: for drawings that do not draw again by themselves. */
export function onTheme(listener: () => void): () => void {
  cache ??= watch();
  themed.add(listener);
  return () => themed.delete(listener);
}

/** The token of the `index`-th series (from 0), going round after the last. */
export function seriesToken(index: number): string {
  return `series-${(index % SERIES_COUNT) + 1}`;
}

/** A colour with an alpha, for canvases. */
export function alpha(color: string, opacity: number): string {
  if (/^#[0-9a-f]{6}$/i.test(color)) {
    const byte = Math.round(opacity * 255);
    return `${color}${byte.toString(16).padStart(2, '0')}`;
  }
  return `color-mix(in srgb, ${color} ${opacity * 100}%, transparent)`;
}
