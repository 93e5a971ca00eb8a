/**
 * A canvas that fills its host, sharp on every screen, with a tip beside the pointer. Knows nothing of what is drawn.
 *
 * Draws when a frame has room for it, once however often it is asked to meanwhile.
 */

import { crosshair } from './crosshair.js';
import { drawNoMore, drawSoon } from './drawQueue.js';
import { token } from './palette.js';
import { timeLabel, timeSplits } from './timeAxis.js';
import { watchSize } from './watchSize.js';

export interface SurfaceOptions {
  readonly host: HTMLElement;
  /** Draws the whole picture; sizes are in CSS pixels. */
  readonly draw: (context: CanvasRenderingContext2D, width: number, height: number) => void;
  /** What stands at a place, as lines of text; null for nothing. */
  readonly tip: (x: number, y: number) => readonly string[] | null;
  /** Where time begins in the picture, and from when to when it goes: for the crosshair that all charts share. */
  readonly span: () => { readonly left: number; readonly window: readonly [number, number] };
}

const TIP_GAP_PX = 12;
/** The room that a time axis takes at the bottom. */
export const AXIS_PX = 24;

export class Surface {
  readonly #options: SurfaceOptions;
  readonly #canvas = document.createElement('canvas');
  readonly #tip = document.createElement('div');
  readonly #observer: ResizeObserver;
  readonly #stopCrosshair: () => void;
  #width = 0;
  #height = 0;
  #pointer: readonly [number, number] | null = null;

  constructor(options: SurfaceOptions) {
    this.#options = options;
    this.#canvas.className = 'pb-canvas';
    this.#tip.className = 'pb-tip';
    this.#tip.hidden = true;
    options.host.append(this.#canvas, this.#tip);
    this.#canvas.addEventListener('pointermove', this.#move);
    this.#canvas.addEventListener('pointerleave', this.#leave);
    this.#observer = watchSize(options.host, (width, height) => this.#resize(width, height));
    this.#stopCrosshair = crosshair.listen(() => this.invalidate());
  }

  get width(): number {
    return this.#width;
  }

  /** Draws as soon as a frame has room for it. */
  invalidate(): void {
    drawSoon(this);
  }

  /** The time at a place; null where there is none. */
  timeAt(x: number): number | null {
    const { left, window } = this.#options.span();
    const part = (x - left) / Math.max(1, this.#width - left);
    return part < 0 ? null : window[0] + part * (window[1] - window[0]);
  }

  destroy(): void {
    drawNoMore(this);
    this.#stopCrosshair();
    this.#observer.disconnect();
    this.#canvas.remove();
    this.#tip.remove();
  }

  /** Draws the picture now. */
  draw(): void {
    const context = this.#canvas.getContext('2d');
    if (context === null || this.#width === 0 || this.#height === 0) {
      return;
    }
    const ratio = devicePixelRatio;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.#width, this.#height);
    this.#options.draw(context, this.#width, this.#height);
    this.#drawCrosshair(context);
    this.#showTip();
  }

  #resize(width: number, height: number): void {
    this.#width = width;
    this.#height = height;
    this.#canvas.width = Math.round(width * devicePixelRatio);
    this.#canvas.height = Math.round(height * devicePixelRatio);
    this.draw();
  }

  /** The place of a time; null where it is out of the picture. */
  #placeOf(time_ms: number): number | null {
    const { left, window } = this.#options.span();
    const part = (time_ms - window[0]) / Math.max(1, window[1] - window[0]);
    return part < 0 || part > 1 ? null : left + part * (this.#width - left);
  }

  #drawCrosshair(context: CanvasRenderingContext2D): void {
    const x = crosshair.time_ms === null ? null : this.#placeOf(crosshair.time_ms);
    if (x !== null) {
      context.strokeStyle = token('text-3');
      context.lineWidth = 1;
      context.setLineDash([4, 4]);
      context.beginPath();
      context.moveTo(Math.round(x) + 0.5, 0);
      context.lineTo(Math.round(x) + 0.5, this.#height - AXIS_PX);
      context.stroke();
      context.setLineDash([]);
    }
  }

  readonly #move = ({ offsetX, offsetY }: PointerEvent): void => {
    this.#pointer = [offsetX, offsetY];
    crosshair.move(this.timeAt(offsetX), this);
    this.#showTip();
  };

  readonly #leave = (): void => {
    this.#pointer = null;
    crosshair.move(null, this);
    this.#showTip();
  };

  #showTip(): void {
    const lines = this.#pointer === null ? null : this.#options.tip(...this.#pointer);
    this.#tip.hidden = lines === null;
    if (lines === null || this.#pointer === null) {
      return;
    }
    const text = lines.join('\n');
    if (this.#tip.textContent !== text) {
      this.#tip.textContent = text;
    }
    const [x, y] = this.#pointer;
    const { offsetWidth, offsetHeight } = this.#tip;
    const left = x + TIP_GAP_PX + offsetWidth > this.#width ? x - TIP_GAP_PX - offsetWidth : x + TIP_GAP_PX;
    const top = Math.min(Math.max(0, y - offsetHeight / 2), Math.max(0, this.#height - offsetHeight));
    this.#tip.style.transform = `translate(${Math.max(0, left)}px, ${top}px)`;
  }
}

/** A text cut to fit, with an ellipsis. */
export function fitText(context: CanvasRenderingContext2D, text: string, width_px: number): string {
  if (context.measureText(text).width <= width_px) {
    return text;
  }
  let length = text.length;
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > width_px) {
    length -= 1;
  }
  return length === 0 ? '' : `${text.slice(0, length)}…`;
}

export const CANVAS_FONT = '11px "Inter Variable", Inter, system-ui, sans-serif';

/** The room that one mark of a time axis needs. */
const MARK_PX = 110;

export interface TimeAxisPlace {
  readonly left: number;
  readonly width: number;
  readonly y: number;
  readonly from_ms: number;
  readonly to_ms: number;
  readonly zone: string | undefined;
}

/** The labels of a time axis, between `left` and `width`. */
export function drawTimeAxis(context: CanvasRenderingContext2D, place: TimeAxisPlace): void {
  const { left, width, y, from_ms, to_ms, zone } = place;
  const splits = timeSplits(from_ms, to_ms, Math.max(2, Math.floor((width - left) / MARK_PX)), zone);
  const step_ms = Math.min(...splits.slice(1).map((time_ms, index) => time_ms - (splits[index] ?? 0)), 86_400_000);
  context.fillStyle = token('text-3');
  context.textAlign = 'center';
  for (const time_ms of splits) {
    const x = left + ((time_ms - from_ms) * (width - left)) / Math.max(1, to_ms - from_ms);
    if (x > left + 16 && x < width - 16) {
      context.fillText(timeLabel(time_ms, step_ms, zone), x, y);
    }
  }
}

/** The look of what is not known: neither a colour nor nothing. */
export function hatch(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = token('line-strong');
  context.lineWidth = 1;
  context.beginPath();
  // On one grid for the whole picture, so that neighbours join.
  for (let start = Math.floor((x - height) / 7) * 7; start < x + width; start += 7) {
    context.moveTo(start, y + height);
    context.lineTo(start + height, y);
  }
  context.stroke();
  context.restore();
}
