/**
 * Moves charts with the clock: one timer for the page, each chart redrawn only when it would move by a visible part of a pixel.
 *
 * Stands still while the page is hidden; under reduced motion charts move with their data only.
 */

import { type Drawable, drawNoMore, drawSoon } from './drawQueue.js';

/** What glides. `step_ms` is the time in which its picture moves visibly. */
export interface Glider extends Drawable {
  readonly step_ms: number;
}

const BEAT_MS = 50;

const gliders = new Map<Glider, number>();
let timer: ReturnType<typeof setInterval> | null = null;

let reducedMotion: MediaQueryList | null = null;

function beat(): void {
  reducedMotion ??= matchMedia('(prefers-reduced-motion: reduce)');
  if (document.visibilityState === 'hidden' || reducedMotion.matches) {
    return;
  }
  const now_ms = performance.now();
  const due = [...gliders].filter(([glider, drawnAt_ms]) => now_ms - drawnAt_ms >= glider.step_ms);
  for (const [glider] of due) {
    gliders.set(glider, now_ms);
    drawSoon(glider);
  }
}

/** Its data changed: it is drawn, and need not be for the clock so soon. */
export function changed(glider: Glider): void {
  if (gliders.has(glider)) {
    gliders.set(glider, performance.now());
  }
  drawSoon(glider);
}

/** Starts to move it; the returned function stops that. */
export function glide(glider: Glider): () => void {
  gliders.set(glider, performance.now());
  timer ??= setInterval(beat, BEAT_MS);
  return () => {
    drawNoMore(glider);
    gliders.delete(glider);
    if (gliders.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
}
