// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

/** What a picture costs here. */
const DRAW_MS = 2;
/** What the browser takes for a frame after our part of it. */
let after_ms = 0;
const messages: (() => void)[] = [];
let now_ms = 0;
let frames: (() => void)[] = [];
let drawn: string[] = [];
let { drawNoMore, drawSoon, writeSoon } = await import('../src/charts/drawQueue.js');

beforeEach(async () => {
  // What is learned in one test is not known in the next.
  vi.resetModules();
  ({ drawNoMore, drawSoon, writeSoon } = await import('../src/charts/drawQueue.js'));
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

const picture = (name: string, draw_ms = DRAW_MS) => ({
  draw() {
    now_ms += draw_ms;
    drawn.push(name);
  },
});

test('what has room in a frame is drawn at once, the rest in the frames after it', () => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    drawSoon(picture(name));
  }
  expect(drawn).toEqual(['a', 'b', 'c']);
  nextFrame();
  expect(drawn).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(frames).toEqual([]);
});

test('whoever waits keeps the place, is drawn once however often it is asked for, and not at all once it is gone', () => {
  const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => picture(name)) as [
    Drawing,
    Drawing,
    Drawing,
    Drawing,
    Drawing,
  ];
  for (const each of [a, b, c, d, e, d, a]) {
    drawSoon(each);
  }
  drawNoMore(e);
  nextFrame();
  expect(drawn).toEqual(['a', 'b', 'c', 'd', 'a']);
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

test('what is written goes before what is drawn, and is through in fifteen frames however little room there is', () => {
  after_ms = 60;
  for (let round = 0; round < 12; round += 1) {
    drawSoon(picture('warm'));
    nextFrame();
  }
  drawn = [];
  const pictures = Array.from({ length: 60 }, (_, index) => picture(`p${index}`));
  const rows = Array.from({ length: 30 }, (_, index) => picture(`w${index}`));
  drawSoon(picture('first'));
  for (const each of pictures) {
    drawSoon(each);
  }
  for (const each of rows) {
    writeSoon(each);
  }
  nextFrame();
  expect(drawn).toEqual(['first', 'w0', 'w1', 'p0', 'p1']);
  for (let frame = 1; frame < 15; frame += 1) {
    nextFrame();
  }
  expect(drawn.filter((name) => name.startsWith('w'))).toHaveLength(30);
  expect(drawn.filter((name) => name.startsWith('p'))).toHaveLength(30);
  for (let frame = 15; frame < 30; frame += 1) {
    nextFrame();
  }
  expect(drawn.filter((name) => name.startsWith('p'))).toHaveLength(60);
});

test('what each change costs is found out', () => {
  after_ms = 1;
  const [dear, a, b, c] = [picture('dear', 10), picture('a', 0.1), picture('b', 0.1), picture('c', 0.1)];
  for (let round = 0; round < 60; round += 1) {
    for (const each of [dear, a, b, c]) {
      drawSoon(each);
      nextFrame();
    }
  }
  drawn = [];
  for (const each of [a, b, c, dear]) {
    drawSoon(each);
  }
  expect(drawn).toEqual(['a', 'b', 'c']);
  nextFrame();
  expect(drawn).toEqual(['a', 'b', 'c', 'dear']);
  nextFrame();
  drawn = [];
  for (const each of [dear, a, b, c]) {
    drawSoon(each);
  }
  expect(drawn).toEqual(['dear']);
  nextFrame();
  expect(drawn).toEqual(['dear', 'a', 'b', 'c']);
});

type Drawing = ReturnType<typeof picture>;
