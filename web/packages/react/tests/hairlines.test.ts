import { afterEach, expect, test, vi } from 'vitest';
import { strokePath, strokePx } from '../src/charts/hairlines.js';

const LINE_PX = 1.8;

class FakePath {
  readonly offsets: { readonly x: number; readonly y: number }[] = [];
  addPath(_: unknown, { e: x, f: y }: { readonly e: number; readonly f: number }): void {
    this.offsets.push({ x, y });
  }
}

function on(ratio: number): void {
  vi.stubGlobal('devicePixelRatio', ratio);
  vi.stubGlobal('Path2D', FakePath);
}

/** How wide the hairlines are together, across a line that goes in this direction, in device pixels. */
function width_px(direction: number, ratio: number): number {
  const line = strokePath(new FakePath() as unknown as Path2D, LINE_PX, ratio) as unknown as FakePath;
  const across = line.offsets.map(({ x, y }) => x * Math.sin(direction) - y * Math.cos(direction));
  return Math.max(...across) - Math.min(...across) + strokePx(LINE_PX) * ratio;
}

afterEach(() => vi.unstubAllGlobals());

test.each([1, 1.25])('at %f device pixels in one, hairlines are as wide as the line in each direction', (ratio) => {
  on(ratio);
  expect(strokePx(LINE_PX) * ratio).toBeCloseTo(1);
  for (let direction = 0; direction < Math.PI; direction += 0.05) {
    expect(width_px(direction, ratio)).toBeGreaterThan(0.94 * LINE_PX * ratio);
    expect(width_px(direction, ratio)).toBeLessThan(1.04 * LINE_PX * ratio);
  }
});

test('where pixels are small a line is outlined', () => {
  on(2);
  const path = new FakePath() as unknown as Path2D;
  expect(strokePx(LINE_PX)).toBe(LINE_PX);
  expect(strokePath(path, LINE_PX, 2)).toBe(path);
});
