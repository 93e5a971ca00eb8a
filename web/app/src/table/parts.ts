/** The elements that a live table is made of. Nothing here knows of rows that change. */

import type { Column } from '@pulseboard/client';
import { isNumeric } from '@pulseboard/react/format';
import { setText } from '../shared/text';
import type { RowSource } from './rows';

export function headCell({ name, type }: Column, label: string | undefined): HTMLElement {
  const cell = make('th', isNumeric(type) ? 'number' : '');
  cell.scope = 'col';
  cell.textContent = label ?? name;
  cell.title = `${name}: ${type}`;
  return cell;
}

/** Writes a cell: as a pill where it stands for a state. */
export function fill(element: HTMLElement, text: string, level: string | undefined): void {
  if (level === undefined) {
    setText(element, text);
    return;
  }
  const pill = make('span', 'state-pill');
  pill.dataset.level = level;
  pill.textContent = text;
  element.replaceChildren(pill);
}

/** The same rows with other columns, to measure how wide these are. */
export function projected(source: RowSource, places: readonly number[]): RowSource {
  return {
    columns: places.flatMap((at) => source.columns[at] ?? []),
    numbered: source.numbered,
    steady: source.steady,
    ids: () => source.ids(),
    cells: (id) => {
      const cells = source.cells(id);
      return cells === null ? null : places.map((at) => cells[at] ?? null);
    },
    message: (id) => source.message(id),
  };
}

export function fillerCell(tag: 'td' | 'th'): HTMLElement {
  const cell = make(tag, 'filler');
  cell.setAttribute('aria-hidden', 'true');
  return cell;
}

/** The room that rows take which are not there. */
export function spacer(body: HTMLElement, height_px: number): void {
  const height = `${height_px}px`;
  if (body.style.height === height) {
    return;
  }
  body.style.height = height;
  body.hidden = height_px === 0;
  if (height_px > 0 && body.firstElementChild === null) {
    body.append(make('tr', ''));
  }
  const row = body.firstElementChild as HTMLElement | null;
  if (row !== null) {
    row.style.height = height;
  }
}

export function make<K extends keyof HTMLElementTagNameMap>(tag: K, className: string): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') {
    element.className = className;
  }
  return element;
}
