/**
 * A table that follows live rows without React: only rows in view exist, only cells that changed are written.
 *
 * New rows are tinted and fade, changed cells flash briefly in their direction's colour. Rows do not change places under
 * the pointer: while it moves over the table, and a moment longer, the order stands still.
 */

import { type Cell, type Column, numeric, type TableChanges } from '@pulseboard/client';
import { directionOf, flash, heldOrder } from '@pulseboard/react/charts';
import { type CellStyle, formatCell, isNumeric } from '@pulseboard/react/format';
import { ColumnWidths, type Written } from './columnWidths';
import { fill, fillerCell, headCell, make, projected, spacer } from './parts';
import type { RowSource } from './rows';

export interface LiveTableOptions {
  readonly host: HTMLElement;
  /** What the table is, for screen readers. */
  readonly label: string;
  readonly zone: string | undefined;
  /** Whether few columns share the whole width; otherwise they stay as wide as they need. Default true. */
  readonly stretch?: boolean;
  /** The unit of a column, if it has one. */
  readonly unit?: (column: string) => string | undefined;
  /** Which columns, in this order; all of them unless said. */
  readonly columns?: readonly string[] | undefined;
  /** A column behind the others that somebody else draws: asked for each row that is written. */
  readonly picture?:
    | { readonly label: string; write(cell: HTMLElement, cells: readonly Cell[] | null): void }
    | undefined;
  /** How a column is written, where that is not its type's way. */
  readonly look?: (column: string) => CellLook | undefined;
}

/** How the cells of a column look. */
export interface CellLook {
  /** What its head says. */
  readonly label?: string | undefined;
  /** The text of a cell; null for the usual one. Asked again each second if `ages`. */
  readonly text?: ((value: Cell) => string | null) | undefined;
  readonly ages?: boolean | undefined;
  /** Shown as a pill in the colour of this level. */
  readonly level?: ((value: Cell) => string | undefined) | undefined;
  /** In the colour of the number's direction. */
  readonly signed?: boolean | undefined;
}

/** How high a row is unless the token `--table-row` says otherwise. */
const ROW_PX = 30;
/** Rows kept beyond the edges, so that a quick scroll shows no blanks. */
const OVERSCAN = 6;
const NEW_ROW_MS = 1_600;
const AGE_EVERY_MS = 1_000;
/** `21:04:33.218`. */
const TIME_CHARS = 12;
/** `59 min`. */
const AGE_CHARS = 6;
const PICTURE_CHARS = 16;
/** How long rows keep their places after the pointer last moved over them: long enough to aim and read. */
const HOLD_MS = 4_000;

interface RowElement {
  readonly element: HTMLTableRowElement;
  id: string;
}

/** Whether all rows stand where they stood. */
function keepPlaces(source: RowSource, { changed, removed }: TableChanges): boolean {
  return source.steady && removed.size === 0 && ![...changed.values()].includes('new');
}

export class LiveTable {
  readonly #options: LiveTableOptions;
  readonly #scroller = make('div', 'live-table');
  readonly #table = make('table', '');
  readonly #columns = make('colgroup', '');
  readonly #head = make('tr', '');
  readonly #above = make('tbody', '');
  readonly #body = make('tbody', '');
  readonly #below = make('tbody', '');
  readonly #widths = new ColumnWidths();
  readonly #observer: ResizeObserver;
  readonly #row_px: number;
  readonly #clock: ReturnType<typeof setInterval> | undefined;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #source: RowSource | null = null;
  #order: readonly string[] = [];
  #rows: RowElement[] = [];
  #styles: CellStyle[] = [];
  /** Of each column shown: where it stands in the source, and how it looks. */
  #places: { readonly at: number; readonly look: CellLook | undefined }[] = [];
  #columnsKey = '';
  #held = false;
  #releasing: ReturnType<typeof setTimeout> | undefined;
  #highest = -1;
  /** Where it is scrolled to and how high it is: asked when that changes, since asking after a write costs a layout. */
  #top_px = 0;
  #height_px = 0;

  constructor(options: LiveTableOptions) {
    this.#options = options;
    this.#row_px = Number.parseFloat(getComputedStyle(options.host).getPropertyValue('--table-row')) || ROW_PX;
    const head = make('thead', '');
    head.append(this.#head);
    this.#table.append(this.#columns, head, this.#above, this.#body, this.#below);
    this.#table.setAttribute('aria-label', options.label);
    this.#scroller.append(this.#table);
    this.#scroller.tabIndex = 0;
    this.#scroller.setAttribute('role', 'group');
    this.#scroller.setAttribute('aria-label', options.label);
    this.#scroller.addEventListener('scroll', () => this.#moved(), { passive: true });
    // A pointer that only happens to lie where the table appeared points at nothing: it has to move.
    this.#scroller.addEventListener('pointermove', ({ pointerType, movementX, movementY }) => {
      if (pointerType === 'mouse' && (movementX !== 0 || movementY !== 0)) {
        this.#hold();
      }
    });
    this.#scroller.addEventListener('pointerleave', () => this.#release());
    // The whole value of a cell that is cut off, made only when somebody asks for it.
    this.#body.addEventListener('pointerover', ({ target }) => {
      if (target instanceof HTMLTableCellElement) {
        target.title = target.scrollWidth > target.clientWidth ? (target.textContent ?? '') : '';
      }
    });
    options.host.append(this.#scroller);
    this.#observer = new ResizeObserver(() => this.#moved());
    this.#observer.observe(this.#scroller);
    const aged = options.columns?.some((column) => options.look?.(column)?.ages) ?? options.look !== undefined;
    this.#clock = aged ? setInterval(() => this.#render(null), AGE_EVERY_MS) : undefined;
  }

  /** Shows the rows as they are now. `changes` says which of them to look at and to flash; null for all, and nothing flashes. */
  show(source: RowSource, changes: TableChanges | null): void {
    const isKnown = source === this.#source && changes?.replaced === false;
    this.#source = source;
    this.#refresh(isKnown ? changes : null);
  }

  destroy(): void {
    clearTimeout(this.#releasing);
    clearInterval(this.#clock);
    this.#observer.disconnect();
    this.#scroller.remove();
  }

  #moved(): void {
    this.#top_px = this.#scroller.scrollTop;
    this.#height_px = this.#scroller.clientHeight;
    this.#render(null);
  }

  #hold(): void {
    this.#held = true;
    clearTimeout(this.#releasing);
    this.#releasing = setTimeout(() => this.#release(), HOLD_MS);
  }

  #release(): void {
    clearTimeout(this.#releasing);
    if (this.#held) {
      this.#held = false;
      this.#refresh(null);
    }
  }

  #refresh(changes: TableChanges | null): void {
    const source = this.#source;
    if (source === null) {
      return;
    }
    if (changes === null || !keepPlaces(source, changes)) {
      this.#order = this.#held ? heldOrder(this.#order, source.ids()) : source.ids();
    }
    const places = this.#choose(source.columns);
    const isWhole = places.length === source.columns.length && places.every((place, at) => place === at);
    const shown: RowSource = isWhole ? source : projected(source, places);
    if (this.#widths.fit(shown, this.#order, this.#written, changes)) {
      this.#layout(shown.columns);
    }
    this.#render(changes);
  }

  /** Where the columns to show stand in the source. */
  #choose(columns: readonly Column[]): number[] {
    const wanted = this.#options.columns;
    const all = columns.map((_, at) => at);
    const places =
      wanted === undefined
        ? all
        : wanted.map((name) => columns.findIndex((column) => column.name === name)).filter((at) => at >= 0);
    this.#places = places.map((at) => ({ at, look: this.#options.look?.(columns[at]?.name ?? '') }));
    return places;
  }

  /** How wide columns are goes by what is shown, which is not always the type's way. */
  readonly #written: Written = {
    label: ({ name }) => this.#options.look?.(name)?.label ?? name,
    text: (column, cell) =>
      (cell === null ? null : this.#options.look?.(column.name)?.text?.(cell)) ?? formatCell(cell, this.#style(column)),
    least_chars: ({ name, type }) =>
      type !== 'time' ? 0 : this.#options.look?.(name)?.text === undefined ? TIME_CHARS : AGE_CHARS,
  };

  #style(column: Column): CellStyle {
    const { zone, unit } = this.#options;
    const named = unit?.(column.name);
    return { type: column.type, zone, key: column.key === true, ...(named === undefined ? {} : { unit: named }) };
  }

  #layout(columns: readonly Column[]): void {
    const { stretch = true, picture } = this.#options;
    const { widths, min_chars } = this.#widths.layout(stretch, picture === undefined ? 0 : PICTURE_CHARS);
    this.#table.style.minWidth = `${min_chars}ch`;
    const key = columns.map(({ name, type }) => `${name} ${type}`).join('\u0000');
    if (key !== this.#columnsKey) {
      this.#columnsKey = key;
      this.#styles = columns.map((column) => this.#style(column));
      const heads = columns.map((column) => headCell(column, this.#options.look?.(column.name)?.label));
      if (picture !== undefined) {
        heads.push(headCell({ name: picture.label, type: 'picture' }, picture.label));
      }
      this.#head.replaceChildren(...heads, fillerCell('th'));
      // The last column holds nothing: it takes the room that the others do not need.
      this.#columns.replaceChildren(...[...heads, null].map(() => document.createElement('col')));
      this.#rows = [];
      this.#body.replaceChildren();
    }
    [...this.#columns.children].forEach((col, index) => {
      (col as HTMLElement).style.width = widths[index] ?? '';
    });
  }

  #render(changes: TableChanges | null): void {
    const source = this.#source;
    if (source === null) {
      return;
    }
    const rowAt = (px: number) => px / this.#row_px;
    const from = Math.max(0, Math.floor(rowAt(this.#top_px)) - OVERSCAN);
    const to = Math.min(this.#order.length, Math.ceil(rowAt(this.#top_px + this.#height_px)) + OVERSCAN);
    spacer(this.#above, from * this.#row_px);
    spacer(this.#below, (this.#order.length - to) * this.#row_px);
    const count = String(this.#order.length);
    if (this.#table.getAttribute('aria-rowcount') !== count) {
      this.#table.setAttribute('aria-rowcount', count);
    }
    const wanted = this.#order.slice(from, to);
    const before = new Map(this.#rows.map((row) => [row.id, row]));
    const kept = new Set(wanted);
    const spare = this.#rows.filter(({ id }) => !kept.has(id));
    const arrivals = this.#arrivals(source, changes);
    this.#rows = wanted.map((id, index) => {
      const known = before.get(id);
      const row = known ?? this.#reuse(spare.pop(), id);
      if (this.#body.children[index] !== row.element) {
        this.#body.insertBefore(row.element, this.#body.children[index] ?? null);
      }
      // A row that stood there and did not change says already what it would be written with.
      if (known === undefined || changes === null || changes.changed.has(id)) {
        this.#write(row, source, known === undefined ? null : changes);
      }
      if (arrivals(id)) {
        this.#tint(row.element);
      }
      return row;
    });
    while (this.#body.children.length > wanted.length) {
      this.#body.lastElementChild?.remove();
    }
  }

  /** Which rows are new since the last look: by the changes, or for a tail by their running number. */
  #arrivals(source: RowSource, changes: TableChanges | null): (id: string) => boolean {
    if (!source.numbered) {
      return (id) => changes?.changed.get(id) === 'new';
    }
    const seen = this.#highest;
    const numbers = this.#order.slice(0, 1).map(Number);
    this.#highest = Math.max(seen, ...numbers.filter((number) => !Number.isNaN(number)));
    return seen < 0 ? () => false : (id) => Number(id) > seen;
  }

  #reuse(spare: RowElement | undefined, id: string): RowElement {
    if (spare !== undefined) {
      spare.id = id;
      for (const animation of spare.element.getAnimations({ subtree: true })) {
        animation.cancel();
      }
      return spare;
    }
    const element = make('tr', '');
    for (const style of this.#styles) {
      const cell = make('td', isNumeric(style.type) || style.unit !== undefined ? 'number' : '');
      cell.dataset.type = style.type;
      element.append(cell);
    }
    if (this.#options.picture !== undefined) {
      element.append(make('td', 'picture'));
    }
    element.append(fillerCell('td'));
    return { element, id };
  }

  #write(row: RowElement, source: RowSource, changes: TableChanges | null): void {
    const cells = source.cells(row.id);
    row.element.classList.toggle('gap', cells === null);
    const changed = changes?.changed.get(row.id);
    this.#options.picture?.write(row.element.children[this.#styles.length] as HTMLElement, cells);
    this.#styles.forEach((style, index) => {
      const element = row.element.children[index] as HTMLTableCellElement | undefined;
      const { at, look } = this.#places[index] ?? { at: index, look: undefined };
      if (element === undefined) {
        return;
      }
      const value = cells === null ? null : (cells[at] ?? null);
      const usual = cells === null ? (index === 0 ? source.message(row.id) : '') : formatCell(value, style);
      const text = value === null ? usual : (look?.text?.(value) ?? usual);
      if (element.textContent === text) {
        return;
      }
      const from = element.dataset.number;
      const number = numeric(value);
      fill(element, text, value === null ? undefined : look?.level?.(value));
      element.classList.toggle('unknown', cells !== null && value === null);
      element.dataset.number = number === null ? '' : String(number);
      if (look?.signed === true) {
        element.dataset.direction = number === null || number === 0 ? '' : number > 0 ? 'up' : 'down';
      }
      if (changed instanceof Set && changed.has(at) && look?.ages !== true) {
        flash(element, number === null || !from ? 'same' : directionOf(Number(from), number));
      }
    });
  }

  #tint(element: HTMLElement): void {
    if (!this.#still.matches) {
      const tinted = {
        backgroundColor: 'color-mix(in srgb, var(--accent) 14%, transparent)',
        boxShadow: 'inset 2px 0 0 var(--accent)',
      };
      const plain = { backgroundColor: 'transparent', boxShadow: 'inset 2px 0 0 transparent' };
      element.animate([tinted, { ...tinted, offset: 0.5 }, plain], { duration: NEW_ROW_MS });
    }
  }
}
