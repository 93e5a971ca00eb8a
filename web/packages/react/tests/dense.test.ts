import { expect, test, vi } from 'vitest';
import { columnsOf, DensePicture, type Place } from '../src/charts/dense.js';

/** A column for each 10 ms, a line two pixels high, values from the top. */
const place: Place = {
  column_ms: 10,
  first: 0,
  y: (value) => value,
  line_px: 2,
  column_px: 1,
  longest_ms: 100,
};

/** Each column that has something, with its first pixel and the one behind its last. */
function drawn(times: readonly number[], values: readonly (number | null)[], count = 30) {
  const into = new Int32Array(2 * count).fill(7);
  columnsOf(times, values, [0, times.length - 1], place, into);
  const columns = Array.from({ length: count }, (_, at) => [at, into[2 * at], into[2 * at + 1]]);
  return columns.filter(([, begin, end]) => begin !== end);
}

test('a column goes from its least to its most, however many points it has', () => {
  const times = [0, 1, 2, 3, 4];
  expect(drawn(times, [5, 9, 2, 90, 6])).toEqual([[0, 1, 91]]);
});

test('columns touch: each begins where the one before ended', () => {
  expect(drawn([0, 5, 10, 15], [10, 20, 50, 60])).toEqual([
    [0, 9, 21],
    [1, 19, 61],
  ]);
});

test('columns without a point of their own lie on the way to the next point', () => {
  expect(drawn([0, 40], [0, 40])).toEqual([
    [0, -1, 1],
    [1, -1, 11],
    [2, 9, 21],
    [3, 19, 31],
    [4, 29, 41],
  ]);
});

test('an outage stays open, and what is unknown is no point', () => {
  expect(drawn([0, 10, 200, 210], [1, 2, 3, 4])).toEqual([
    [0, 0, 2],
    [1, 0, 3],
    [20, 2, 4],
    [21, 2, 5],
  ]);
  expect(drawn([0, 1, 2], [7, null, 8])).toEqual([[0, 6, 9]]);
  expect(drawn([], [])).toEqual([]);
});

test('what lies outside of the picture is left out', () => {
  expect(drawn([-15, -5, 5, 15, 25], [1, 2, 3, 4, 5], 2)).toEqual([
    [0, 1, 4],
    [1, 2, 5],
  ]);
});

/** A canvas of a few pixels that remembers what was put on each, one after the other. */
class Canvas {
  fillStyle = '';
  globalCompositeOperation = 'source-over';
  pixels: string[][] = [];
  #size = { width: 0, height: 0 };

  set width(width: number) {
    this.#size = { ...this.#size, width };
    this.#clear();
  }

  set height(height: number) {
    this.#size = { ...this.#size, height };
    this.#clear();
  }

  get height() {
    return this.#size.height;
  }

  getContext() {
    return this;
  }

  clearRect(x: number, y: number, w: number, h: number) {
    this.#each(x, y, w, h, () => '');
  }

  fillRect(x: number, y: number, w: number, h: number) {
    this.#each(x, y, w, h, (before) => `${before}${this.fillStyle} `);
  }

  drawImage(image: Canvas, left: number, top: number) {
    const source = image.pixels.map((row) => [...row]);
    const { width, height } = this.#size;
    const copied = this.globalCompositeOperation === 'copy';
    this.#each(0, 0, width, height, (before, x, y) => source[y - top]?.[x - left] ?? (copied ? '' : before));
  }

  #clear() {
    this.pixels = Array.from({ length: this.#size.height }, () => Array(this.#size.width).fill(''));
  }

  #each(x: number, y: number, w: number, h: number, put: (before: string, x: number, y: number) => string) {
    for (let row = Math.max(0, y); row < Math.min(this.#size.height, y + h); row += 1) {
      for (let column = Math.max(0, x); column < Math.min(this.#size.width, x + w); column += 1) {
        const pixels = this.pixels[row] ?? [];
        pixels[column] = put(pixels[column] ?? '', column, row);
      }
    }
  }
}

test('a picture that is kept looks like one that is painted anew, whatever comes and however it moves', () => {
  vi.stubGlobal('document', { createElement: () => new Canvas() });
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  for (let round = 0; round < 40; round += 1) {
    const kept = new DensePicture();
    const times = Array.from({ length: 400 }, (_, index) => 10_000 + 10 * index);
    const values = [0, 1].map(() => times.map((): number | null => random(100)));
    let to_ms = times.at(-1) ?? 0;
    let high = 100;
    for (let step = 0; step < 12; step += 1) {
      const forward = random(3) * random(60);
      for (let at = 0; at < forward; at += 1) {
        times.push((times.at(-1) ?? 0) + 10);
        for (const line of values) {
          line.push(random(8) === 0 ? null : random(100));
        }
      }
      // The window may lag behind, stand still, or go back; older values may change, and so may the scale.
      to_ms = random(6) === 0 ? to_ms - random(900) : (times.at(-1) ?? 0);
      high = random(5) === 0 ? 80 + random(60) : high;
      const late = values[random(2)] ?? [];
      late[late.length - 1 - random(200)] = random(100);
      const lines = values.map((line, index) => ({
        values: line,
        stroke: `line${index}`,
        fill: index === 0 ? 'under' : null,
        longest_ms: 100,
      }));
      const draw = (picture: DensePicture) => {
        const canvas = new Canvas();
        canvas.width = 60;
        canvas.height = 30;
        const plot = {
          ctx: canvas,
          bbox: { left: 6, top: 4, width: 50, height: 20 },
          scales: { x: { min: to_ms - 3_000, max: to_ms }, y: { min: 0, max: high } },
        };
        picture.draw(plot as never, times, lines, [0, times.length - 1], { line_px: 2, column_px: 2 });
        return canvas.pixels;
      };
      expect(draw(kept)).toEqual(draw(new DensePicture()));
    }
  }
  vi.unstubAllGlobals();
});
