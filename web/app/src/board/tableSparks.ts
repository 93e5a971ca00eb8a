/**
 * The column of small lines in a table: each row's own part of what another panel of the board draws from.
 *
 * Loaded by the tables that have one. Draws when those rows change, or a row of the table comes to stand for something else.
 */

import { type Cell, numeric, SeriesBuffer } from '@pulseboard/client';
import { SPARK_HEIGHT, SPARK_WIDTH, sparkArea, sparkPath } from '@pulseboard/react/charts';
import type { PanelOptions } from '../shared/api';
import type { PanelSource } from './source';

const SVG = 'http://www.w3.org/2000/svg';

/** The rows of the table that are on screen: where their line goes, and what they hold. */
export type ShownRows = Map<HTMLElement, readonly Cell[] | null>;

interface SparksOptions {
  readonly options: PanelOptions;
  /** What the table shows. */
  readonly rows: PanelSource;
  /** What the lines are of. */
  readonly lines: PanelSource;
  readonly shown: ShownRows;
}

export class TableSparks {
  readonly #options: SparksOptions;
  readonly #stop: () => void;
  readonly #drawn = new WeakMap<HTMLElement, string>();
  #lines = new Map<string, readonly (number | null)[]>();

  constructor(options: SparksOptions) {
    this.#options = options;
    this.#stop = options.lines.listen(() => {
      this.#read();
      for (const [cell, cells] of options.shown) {
        if (cell.isConnected) {
          this.draw(cell, cells);
        } else {
          options.shown.delete(cell);
        }
      }
    });
  }

  destroy(): void {
    this.#stop();
  }

  /** Draws the line of a row, unless that is what stands there. */
  draw(cell: HTMLElement, cells: readonly Cell[] | null): void {
    const { options, rows } = this.#options;
    const name = cells?.[rows.table.columnIndex(options.spark_series ?? '')];
    const values = this.#lines.get(String(name ?? '')) ?? [];
    const parts = sparkPath(values);
    const path = parts.join('');
    if (this.#drawn.get(cell) === path) {
      return;
    }
    this.#drawn.set(cell, path);
    const known = values.filter((value) => value !== null);
    const rise = numeric(known.at(-1) ?? null) ?? 0;
    const colour = `var(${rise >= (known[0] ?? 0) ? '--up' : '--down'})`;
    const area = shape(parts.map(sparkArea).join(''), { fill: colour, opacity: '0.14' });
    const line = shape(path, {
      fill: 'none',
      stroke: colour,
      'stroke-width': '1.4',
      'vector-effect': 'non-scaling-stroke',
    });
    const picture = document.createElementNS(SVG, 'svg');
    const look = { class: 'table-spark', viewBox: `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`, preserveAspectRatio: 'none' };
    set(picture, { ...look, 'aria-hidden': 'true' });
    picture.append(area, line);
    cell.replaceChildren(picture);
  }

  #read(): void {
    const { options, lines } = this.#options;
    const { table } = lines;
    const time = table.columns.find(({ type }) => type === 'time')?.name;
    const by = options.spark_series;
    if (time === undefined || by === undefined) {
      return;
    }
    const others = table.columns.map(({ name }) => name).filter((name) => name !== time && name !== by);
    const buffer = new SeriesBuffer({ time, by, values: [options.spark_value ?? others[0] ?? ''] });
    buffer.apply(table, { replaced: true, changed: new Map(), removed: new Set() });
    this.#lines = new Map(buffer.series.map(({ name, values }) => [name, values]));
  }
}

function shape(path: string, attributes: { readonly [name: string]: string }): SVGPathElement {
  const made = document.createElementNS(SVG, 'path');
  set(made, { ...attributes, d: path });
  return made;
}

function set(element: Element, attributes: { readonly [name: string]: string }): void {
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
}
