/**
 * Lines out of hairlines. A line of one pixel is put down directly; a wider one is outlined first, and the outline filled, which
 * takes about ten times as long where no graphics card does it. So a line is drawn as three hairlines around it. Screens with smaller pixels get
 * outlines, as they have graphics cards.
 */

/** From here on so many hairlines would be needed that they are not quicker. */
const RATIO_MAX = 1.5;

/** Where the hairlines are around a line, in halves of what its width is above one pixel: nearly as wide together in each direction. */
const AROUND = [
  [0, -1.2],
  [1.04, 0.6],
  [-1.04, 0.6],
] as const;

/** What to stroke a line of `line_px` with, in CSS pixels. */
export function strokePx(line_px: number): number {
  return devicePixelRatio < RATIO_MAX ? 1 / devicePixelRatio : line_px;
}

/** `path` as it is to be stroked with `strokePx(line_px)`. `unit_px` are its pixels in one of CSS. */
export function strokePath(path: Path2D, line_px: number, unit_px = 1): Path2D {
  const off = ((line_px - strokePx(line_px)) / 2) * unit_px;
  if (off === 0) {
    return path;
  }
  const lines = new Path2D();
  for (const [x, y] of AROUND) {
    lines.addPath(path, { e: x * off, f: y * off });
  }
  return lines;
}
