/**
 * The flash of a value that changed: its ground lights up in the direction's colour and fades.
 *
 * Never more than three times a second on one element, and not at all for readers who asked for less motion. Where much flashes at
 * once, it fades in steps: each look of each cell is a look that the page has to paint.
 */

export type Direction = 'up' | 'down' | 'same';

const FLASH_MS = 450;
/** WCAG 2.3.1: nothing may flash more than three times a second. */
const REST_MS = 340;

/** From so many at once on, a fade has steps, and beyond the second nothing more flashes. */
const SMOOTH_MAX = 12;
const AT_ONCE_MAX = 96;
const STEPS = 'steps(5, end)';

const flashedAt_ms = new WeakMap<Element, number>();
/** When those that flash are over. */
let over_ms: number[] = [];

const COLOURS: Record<Direction, string> = {
  up: 'var(--pb-up)',
  down: 'var(--pb-down)',
  same: 'var(--pb-accent)',
};

/** Returns whether it flashed. */
export function flash(element: HTMLElement, direction: Direction, duration_ms = FLASH_MS): boolean {
  const now_ms = performance.now();
  const last_ms = flashedAt_ms.get(element);
  if (last_ms !== undefined && now_ms - last_ms < REST_MS) {
    return false;
  }
  if (typeof element.animate !== 'function' || matchMedia('(prefers-reduced-motion: reduce)').matches) {
    return false;
  }
  over_ms = over_ms.filter((end_ms) => end_ms > now_ms);
  if (over_ms.length >= AT_ONCE_MAX) {
    return false;
  }
  over_ms.push(now_ms + duration_ms);
  flashedAt_ms.set(element, now_ms);
  const lit = `color-mix(in srgb, ${COLOURS[direction]} 26%, transparent)`;
  element.animate([{ backgroundColor: lit }, { backgroundColor: 'transparent' }], {
    duration: duration_ms,
    easing: over_ms.length > SMOOTH_MAX ? STEPS : 'ease-out',
  });
  return true;
}

/** Where a value went. */
export function directionOf(before: unknown, now: unknown): Direction {
  const [a, b] = [Number(before), Number(now)];
  return before === null || now === null || Number.isNaN(a) || Number.isNaN(b) || a === b
    ? 'same'
    : b > a
      ? 'up'
      : 'down';
}
