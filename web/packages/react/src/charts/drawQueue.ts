/**
 * Who changes the page when: what is written and drawn shares what a frame has room for. What does not fit comes in the frames after it,
 * writing before drawing, the longest waiting first, with the data as it is by then.
 *
 * So a wall of panels that all change at once costs several frames a little instead of one frame all of it. How much a frame has room for
 * is found out: by what the browser takes for a whole frame, which is layout and pixels, too. It draws nothing itself.
 */

/** What can be drawn, or written. */
export interface Drawable {
  draw(): void;
}

/** What all of a frame may take, of the 16 that it has at 60 a second. */
const FRAME_MS = 8;
/** What our part of it may: no more than a quarter, however quick the machine is, and always a little. */
const ROOM_MS = { least: 0.2, most: 4 } as const;
/** How much the newest frame says of the next one. */
const WEIGHT = 0.15;

/** What waits, and in how many frames it is through, whatever it takes. */
interface Line {
  readonly waiting: Set<Drawable>;
  readonly frames: number;
  /** How many are due in a frame. */
  due: number;
}

/** Numbers and rows: nobody shall see them late. */
const written: Line = { waiting: new Set(), frames: 6, due: 0 };
const drawn: Line = { waiting: new Set(), frames: 15, due: 0 };
const LINES = [written, drawn];

let frame: unknown = null;
let began_ms = 0;
let spent_ms = 0;
let room_ms: number = ROOM_MS.most;
/** How long a frame takes for each of our milliseconds in it. */
let cost = FRAME_MS / ROOM_MS.most;
let asked = false;
let measures = false;

/** Draws at once if this frame has room for it, else in one of the next. */
export function drawSoon(drawable: Drawable): void {
  soon(drawn, drawable);
}

/** The same for what is not a picture: it goes before them. */
export function writeSoon(drawable: Drawable): void {
  soon(written, drawable);
}

/** It is gone, or was drawn for another reason. */
export function drawNoMore(drawable: Drawable): void {
  for (const { waiting } of LINES) {
    waiting.delete(drawable);
  }
}

function soon(line: Line, drawable: Drawable): void {
  begin();
  // A page that nobody sees makes no frames: what changed meanwhile is drawn once, when somebody looks.
  if (line.waiting.size === 0 && spent_ms < room_ms && document.visibilityState !== 'hidden') {
    timed(drawable);
    return;
  }
  line.waiting.add(drawable);
  line.due = Math.max(line.due, Math.ceil(line.waiting.size / line.frames));
  ask();
}

/** The page's time stands still within a frame: another time is another frame. */
function begin(): void {
  const now = document.timeline?.currentTime ?? performance.now();
  if (now !== frame) {
    frame = now;
    spent_ms = 0;
    began_ms = performance.now();
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
  for (const line of LINES) {
    let count = 0;
    for (const drawable of line.waiting) {
      if (spent_ms >= room_ms && count >= line.due) {
        break;
      }
      count += 1;
      line.waiting.delete(drawable);
      timed(drawable);
    }
    if (line.waiting.size === 0) {
      line.due = 0;
    } else {
      ask();
    }
  }
}

function timed(drawable: Drawable): void {
  measure();
  const at_ms = performance.now();
  drawable.draw();
  spent_ms += performance.now() - at_ms;
}

/** A message that is sent within a frame is read once that frame is on its way: layout, paint and pixels are done by then. */
function measure(): void {
  if (measures || typeof MessageChannel === 'undefined') {
    return;
  }
  measures = true;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    measures = false;
    const whole_ms = performance.now() - began_ms;
    cost += WEIGHT * (whole_ms / Math.max(spent_ms, ROOM_MS.least) - cost);
    room_ms = Math.min(ROOM_MS.most, Math.max(ROOM_MS.least, FRAME_MS / cost));
  };
  port2.postMessage(null);
}
