/**
 * Who draws when: pictures of a page share what a frame has room for. What does not fit is drawn in the frames after it, the longest
 * waiting first, with the data as it is by then.
 *
 * So a wall of charts that all change at once costs several frames a little instead of one frame all of it. It draws nothing itself.
 */

/** What can be drawn. */
export interface Drawable {
  draw(): void;
}

/** A quarter of what a frame has at 60 a second: putting pixels down afterwards takes about as long, and the page has other things to do. */
const BUDGET_MS = 3;

const waiting = new Set<Drawable>();
let frame: unknown = null;
let spent_ms = 0;
let asked = false;

/** Draws at once if this frame has room for it, else in one of the next. */
export function drawSoon(drawable: Drawable): void {
  begin();
  // A page that nobody sees makes no frames: what changed meanwhile is drawn once, when somebody looks.
  if (waiting.size === 0 && spent_ms < BUDGET_MS && document.visibilityState !== 'hidden') {
    timed(drawable);
    return;
  }
  waiting.add(drawable);
  ask();
}

/** It is gone, or was drawn for another reason. */
export function drawNoMore(drawable: Drawable): void {
  waiting.delete(drawable);
}

/** The page's time stands still within a frame: another time is another frame. */
function begin(): void {
  const now = document.timeline?.currentTime ?? performance.now();
  if (now !== frame) {
    frame = now;
    spent_ms = 0;
  }
}

function ask(): void {
  if (!asked) {
    asked = true;
    requestAnimationFrame(run);
  }
}

function run(): void {
  asked = false;
  begin();
  for (const drawable of waiting) {
    if (spent_ms >= BUDGET_MS) {
      ask();
      return;
    }
    waiting.delete(drawable);
    timed(drawable);
  }
}

function timed(drawable: Drawable): void {
  const began_ms = performance.now();
  drawable.draw();
  spent_ms += performance.now() - began_ms;
}
