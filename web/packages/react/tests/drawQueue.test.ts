// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { drawNoMore, drawSoon, writeSoon } from '../src/charts/drawQueue.js';

/** What a picture costs here: two have room in a frame. */
const DRAW_MS = 2;
/** What the browser takes for a frame after our part of it. */
let after_ms = 0;
const messages: (() => void)[] = [];
let now_ms = 0;
let frames: (() => void)[] = [];
let drawn: string[] = [];

beforeEach(() => {
  drawn = [];
  frames = [];
  vi.spyOn(performance, 'now').mockImplementation(() => now_ms);
  vi.stubGlobal('requestAnimationFrame', (run: () => void) => frames.push(run));
  vi.stubGlobal('MessageChannel', FakeChannel);
  Object.defineProperty(document, 'timeline', { configurable: true, value: { currentTime: 0 } });
  nextFrame();
});

afterEach(() => {
  after_ms = 0;
  while (frames.length > 0) {
    nextFrame();
  }
  endFrame();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

class FakeChannel {
  readonly port1 = { onmessage: () => {}, close() {} };
  readonly port2 = { postMessage: () => messages.push(() => this.port1.onmessage()) };
}

/** What is left of a frame: layout, paint, and then the messages that were sent in it. */
function endFrame(): void {
  now_ms += after_ms;
  for (const read of messages.splice(0)) {
    read();
  }
}

function nextFrame(): void {
  endFrame();
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

test('what is written goes before what is drawn, and is through in six frames however little room there is', () => {
  after_ms = 60;
  for (let round = 0; round < 12; round += 1) {
    drawSoon(picture('warm'));
    nextFrame();
  }
  while (frames.length > 0) {
    nextFrame();
  }
  drawn = [];
  const pictures = Array.from({ length: 15 }, (_, index) => picture(`p${index}`));
  const rows = Array.from({ length: 12 }, (_, index) => picture(`w${index}`));
  drawSoon(picture('first'));
  for (const each of pictures) {
    drawSoon(each);
  }
  for (const each of rows) {
    writeSoon(each);
  }
  nextFrame();
  expect(drawn).toEqual(['first', 'w0', 'w1', 'p0']);
  for (let frame = 0; frame < 5; frame += 1) {
    nextFrame();
  }
  expect(drawn.filter((name) => name.startsWith('w'))).toHaveLength(12);
  expect(drawn.filter((name) => name.startsWith('p'))).toHaveLength(6);
  // Frames that cost little again have room for more.
  after_ms = 0;
  for (let round = 0; round < 60; round += 1) {
    drawSoon(picture('quick'));
    nextFrame();
  }
  drawn = [];
  for (const name of ['a', 'b', 'c']) {
    drawSoon(picture(name));
  }
  expect(drawn).toEqual(['a', 'b']);
});

type Drawing = ReturnType<typeof picture>;
