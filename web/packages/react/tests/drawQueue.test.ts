// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { drawNoMore, drawSoon } from '../src/charts/drawQueue.js';

/** What a picture costs here: two have room in a frame. */
const DRAW_MS = 2;
let now_ms = 0;
let frames: (() => void)[] = [];
let drawn: string[] = [];

beforeEach(() => {
  drawn = [];
  frames = [];
  vi.spyOn(performance, 'now').mockImplementation(() => now_ms);
  vi.stubGlobal('requestAnimationFrame', (run: () => void) => frames.push(run));
  Object.defineProperty(document, 'timeline', { configurable: true, value: { currentTime: 0 } });
  nextFrame();
});

afterEach(() => {
  while (frames.length > 0) {
    nextFrame();
  }
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function nextFrame(): void {
  Object.assign(document.timeline, { currentTime: Number(document.timeline.currentTime) + 16 });
  now_ms += 16;
  for (const run of frames.splice(0)) {
    run();
  }
}

const picture = (name: string) => ({
  draw() {
    now_ms += DRAW_MS;
    drawn.push(name);
  },
});

test('what has room in a frame is drawn at once, the rest in the frames after it', () => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    drawSoon(picture(name));
  }
  expect(drawn).toEqual(['a', 'b']);
  nextFrame();
  expect(drawn).toEqual(['a', 'b', 'c', 'd']);
  nextFrame();
  expect(drawn).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(frames).toEqual([]);
});

test('whoever waits keeps the place, is drawn once however often it is asked for, and not at all once it is gone', () => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(picture) as [Drawing, Drawing, Drawing, Drawing];
  for (const each of [a, b, c, d, c, a]) {
    drawSoon(each);
  }
  drawNoMore(d);
  nextFrame();
  expect(drawn).toEqual(['a', 'b', 'c', 'a']);
});

test('a page that nobody sees draws nothing, and all that changed once it is seen', () => {
  const seen = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  const [a, b] = [picture('a'), picture('b')];
  for (const each of [a, b, a, b, a]) {
    drawSoon(each);
  }
  expect(drawn).toEqual([]);
  seen.mockReturnValue('visible');
  nextFrame();
  expect(drawn).toEqual(['a', 'b']);
});

type Drawing = ReturnType<typeof picture>;
