/**
 * Moves charts with the clock: one timer for the page, each chart redrawn only when it would move by a visible part of a pixel.
 *
 * Stands still while the page is hidden; under reduced motion charts move with their data only.
 */

/** What glides. `step_ms` is the time in which its picture moves visibly. */
export interface Glider {
  readonly step_ms: number;
  draw(): void;
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
  if (due.length > 0) {
    requestAnimationFrame(() => {
      for (const [glider] of due) {
        gliders.set(glider, now_ms);
        glider.draw();
      }
    });
  }
}

/** Starts to move it; the returned function stops that. */
export function glide(glider: Glider): () => void {
  gliders.set(glider, performance.now());
  timer ??= setInterval(beat, BEAT_MS);
  return () => {
    gliders.delete(glider);
    if (gliders.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
}
