/**
 * Who changes the page when: what is written and drawn shares what a frame has room for. What does not fit comes in the frames after it,
 * writing before drawing, the longest waiting first, with the data as it is by then.
 *
 * So a wall of panels that all change at once costs several frames a little instead of one frame all of it. What each change costs is
 * found out: by what the browser takes for the whole of the frames that it is in, which is layout and pixels, too. It draws nothing itself.
 */

/** What can be drawn, or written. */
export interface Drawable {
  draw(): void;
}

/** What all of a frame may take, of the 16 that it has at 60 a second. */
const FRAME_MS = 5;
/** What a frame is taken to cost besides what is changed in it, and each change, until it is known better. */
const UNKNOWN_MS = { frame: 2, change: 1 } as const;
/** How much of what was guessed wrongly is learned from one frame. */
const RATE = 0.2;
/** A frame that is off by more was held up by something else. */
const OFF_MS_MAX = 8;

/** What waits, and in how many frames it is through, whatever it takes: a quarter of a second, and a half. */
interface Line {
  readonly waiting: Set<Drawable>;
  readonly frames: number;
  /** How many are due in a frame. */
  due: number;
}

const written: Line = { waiting: new Set(), frames: 15, due: 0 };
const drawn: Line = { waiting: new Set(), frames: 30, due: 0 };
const LINES = [written, drawn];

let frame: unknown = null;
let began_ms = 0;
/** What this frame will take, as far as is known. */
let expected_ms = 0;
let changes: Drawable[] = [];
let frame_ms: number = UNKNOWN_MS.frame;
/** What each change adds to its frame, as far as is known. */
const costs_ms = new WeakMap<Drawable, number>();
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
  if (line.waiting.size === 0 && hasRoom(drawable) && document.visibilityState !== 'hidden') {
    change(drawable);
    return;
  }
  line.waiting.add(drawable);
  line.due = Math.max(line.due, Math.ceil(line.waiting.size / line.frames));
  ask();
}

/** Something fits into every frame. */
function hasRoom(drawable: Drawable): boolean {
  return changes.length === 0 || expected_ms + cost(drawable) <= FRAME_MS;
}

function cost(drawable: Drawable): number {
  return costs_ms.get(drawable) ?? UNKNOWN_MS.change;
}

/** The page's time stands still within a frame: another time is another frame. */
function begin(): void {
  const now = document.timeline?.currentTime ?? performance.now();
  if (now !== frame) {
    frame = now;
    began_ms = performance.now();
    expected_ms = frame_ms;
    changes = [];
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
      if (count >= line.due && !hasRoom(drawable)) {
        break;
      }
      count += 1;
      line.waiting.delete(drawable);
      change(drawable);
    }
    if (line.waiting.size === 0) {
      line.due = 0;
    } else {
      ask();
    }
  }
}

function change(drawable: Drawable): void {
  measure();
  expected_ms += cost(drawable);
  changes.push(drawable);
  drawable.draw();
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
    learn(performance.now() - began_ms);
  };
  port2.postMessage(null);
}

/** Shares what was guessed wrongly among all that were in the frame. */
function learn(whole_ms: number): void {
  const off_ms = Math.max(-OFF_MS_MAX, Math.min(OFF_MS_MAX, whole_ms - expected_ms));
  const share_ms = (RATE * off_ms) / (changes.length + 1);
  frame_ms = Math.max(0, frame_ms + share_ms);
  for (const drawable of changes) {
    costs_ms.set(drawable, Math.max(0, cost(drawable) + share_ms));
  }
}
