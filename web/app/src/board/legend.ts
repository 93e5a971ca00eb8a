/**
 * A chart's legend: what each line is and what it is worth, in the panel's head; or below the chart with least, most and mean.
 *
 * Written straight into the page, only what changed. A click shows one line alone, a click with Shift or Ctrl adds or removes one.
 */

import { setText } from '../shared/text';

export interface LegendEntry {
  readonly name: string;
  readonly label: string;
  /** The token of its colour. */
  readonly token: string;
  /** Last value, or that under the crosshair; with `full` also least, most and mean, as text. */
  readonly values: readonly string[];
}

interface LegendOptions {
  readonly root: HTMLElement;
  readonly full: boolean;
  /** Called with the names that are to be left out. */
  readonly onHide: (hidden: ReadonlySet<string>) => void;
}

/** More than this and a short legend would push the title away; the rest is counted. */
const SHORT_MAX = 5;
const HEADS = ['', 'last', 'min', 'max', 'avg'];

export class Legend {
  readonly #options: LegendOptions;
  #names: readonly string[] = [];
  #items: readonly HTMLElement[] = [];
  #hidden: ReadonlySet<string> = new Set();

  constructor(options: LegendOptions) {
    this.#options = options;
  }

  show(entries: readonly LegendEntry[]): void {
    const names = entries.map(({ name }) => name);
    if (names.join('\u0000') !== this.#names.join('\u0000')) {
      this.#names = names;
      this.#build(entries);
    }
    this.#items.forEach((item, index) => {
      entries[index]?.values.forEach((text, at) => {
        // The swatch and the name come first.
        const cell = item.children[at + 2];
        if (cell !== undefined) {
          setText(cell, text);
        }
      });
    });
  }

  clear(): void {
    this.#options.root.replaceChildren();
  }

  #build(entries: readonly LegendEntry[]): void {
    const { root, full } = this.#options;
    const shown = full ? entries : entries.slice(0, SHORT_MAX);
    this.#items = shown.map((entry) => this.#item(entry));
    const parts: Element[] = [...this.#items];
    if (full) {
      const head = element('div', 'legend-heads');
      head.append(...HEADS.map((text) => element('span', '', text)));
      parts.unshift(head);
    } else if (entries.length > SHORT_MAX) {
      parts.push(element('span', 'legend-more', `+${entries.length - SHORT_MAX}`));
    }
    root.replaceChildren(...parts);
    this.#mark();
  }

  #item({ name, label, token, values }: LegendEntry): HTMLElement {
    const item = element('button', 'legend-item');
    item.setAttribute('type', 'button');
    item.title = `${label}: show alone; with Shift or Ctrl show or hide`;
    const swatch = element('i', '');
    swatch.style.background = `var(--${token})`;
    item.append(swatch, element('span', 'legend-name', label), ...values.map((text) => element('b', '', text)));
    item.addEventListener('click', (event) => this.#choose(name, event.shiftKey || event.ctrlKey || event.metaKey));
    return item;
  }

  #choose(name: string, one: boolean): void {
    const others = this.#names.filter((each) => each !== name);
    let hidden = new Set(this.#hidden);
    if (one) {
      if (!hidden.delete(name)) {
        hidden.add(name);
      }
    } else {
      const alone = !hidden.has(name) && others.length > 0 && others.every((each) => hidden.has(each));
      hidden = new Set(alone ? [] : others);
    }
    this.#hidden = hidden;
    this.#mark();
    this.#options.onHide(hidden);
  }

  #mark(): void {
    this.#items.forEach((item, index) => {
      const off = this.#hidden.has(this.#names[index] ?? '');
      item.setAttribute('aria-pressed', String(!off));
      item.dataset.off = String(off);
    });
  }
}

function element(tag: string, className: string, text = ''): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Least, most and mean of what is known between two instants; null where nothing is. */
export function summary(
  times: readonly number[],
  values: readonly (number | null)[],
  from_ms: number,
  to_ms: number,
): { readonly min: number | null; readonly max: number | null; readonly avg: number | null } {
  let [min, max, sum, count] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (let at = times.length - 1; at >= 0; at -= 1) {
    const [time_ms, value] = [times[at] ?? 0, values[at]];
    if (time_ms < from_ms) {
      break;
    }
    if (time_ms <= to_ms && value !== null && value !== undefined) {
      min = Math.min(min, value);
      max = Math.max(max, value);
      sum += value;
      count += 1;
    }
  }
  return count === 0 ? { min: null, max: null, avg: null } : { min, max, avg: sum / count };
}
