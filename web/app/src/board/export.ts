/**
 * A panel's rows as CSV and its look as a PNG, made in the page from what is on screen, without asking anybody.
 *
 * The picture is drawn from the page's own boxes, texts and canvases; what it does not know, such as shadows, it leaves out.
 */

import type { Cell, KeyedTable } from '@pulseboard/client';

/** RFC 4180, with a head. Times in ISO 8601, unknown as nothing. */
export function csvOf(table: KeyedTable): string {
  const line = (cells: readonly string[]) => cells.map(quoted).join(',');
  const rows = [...table.rows()].map(([, row]) =>
    line(table.columns.map(({ type }, at) => plain(row[at] ?? null, type))),
  );
  return [line(table.columns.map(({ name }) => name)), ...rows, ''].join('\r\n');
}

function plain(cell: Cell, type: string): string {
  if (cell === null) {
    return '';
  }
  if (type === 'time' && typeof cell === 'number') {
    return new Date(cell / 1_000).toISOString();
  }
  return typeof cell === 'object' ? JSON.stringify(cell) : String(cell);
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function downloadCsv(table: KeyedTable, name: string): void {
  download(new Blob([csvOf(table)], { type: 'text/csv' }), `${name}.csv`);
}

function download(content: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export async function downloadPicture(root: HTMLElement, name: string): Promise<void> {
  const canvas = draw(root);
  const content = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (content !== null) {
    download(content, `${name}.png`);
  }
}

/** At least two pixels for each, so that it can be printed. */
const SCALE_MIN = 2;

function draw(root: HTMLElement): HTMLCanvasElement {
  const box = root.getBoundingClientRect();
  const scale = Math.max(SCALE_MIN, devicePixelRatio);
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(box.width * scale);
  canvas.height = Math.round(box.height * scale);
  const context = canvas.getContext('2d');
  if (context !== null) {
    context.scale(scale, scale);
    context.translate(-box.left, -box.top);
    drawElement(context, root, box);
  }
  return canvas;
}

function drawElement(context: CanvasRenderingContext2D, element: Element, clip: DOMRect): void {
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const hidden = style.visibility === 'hidden' || style.display === 'none' || style.opacity === '0';
  if (hidden || element.matches('.panel-menu, [popover]') || box.bottom < clip.top || box.top > clip.bottom) {
    return;
  }
  if (style.backgroundColor !== 'rgba(0, 0, 0, 0)' && box.width > 0) {
    context.fillStyle = style.backgroundColor;
    context.beginPath();
    context.roundRect(box.left, box.top, box.width, box.height, Number.parseFloat(style.borderTopLeftRadius) || 0);
    context.fill();
  }
  if (element instanceof HTMLCanvasElement) {
    context.drawImage(element, box.left, box.top, box.width, box.height);
    return;
  }
  for (const node of element.childNodes) {
    if (node instanceof Text) {
      drawText(context, node, style);
    } else if (node instanceof Element && !(node instanceof SVGElement)) {
      drawElement(context, node, clip);
    }
  }
}

function drawText(context: CanvasRenderingContext2D, node: Text, style: CSSStyleDeclaration): void {
  const text = node.data.trim();
  if (text === '') {
    return;
  }
  const range = document.createRange();
  range.selectNodeContents(node);
  const box = range.getBoundingClientRect();
  context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  context.letterSpacing = style.letterSpacing === 'normal' ? '0px' : style.letterSpacing;
  context.fillStyle = style.color;
  context.textBaseline = 'middle';
  context.fillText(text, box.left, box.top + box.height / 2);
}

/** Puts the address of one panel of the board alone into the clipboard. */
export async function copyLink(panel: string): Promise<void> {
  const url = new URL(location.href);
  const [path = '', text = ''] = url.hash.split('?', 2);
  const params = new URLSearchParams(text);
  params.set('viewPanel', panel);
  url.hash = `${path}?${params}`;
  await navigator.clipboard.writeText(url.href);
}
