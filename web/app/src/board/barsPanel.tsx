/** Named bars: how full, how much, who leads. Rows are kept by key, so a bar slides to its new length. */

import { numeric, type Row } from '@pulseboard/client';
import { levelOf, unitText } from '@pulseboard/react/format';
import { useEffect, useRef } from 'react';
import type { Panel } from '../shared/api';
import { setText } from '../shared/text';
import { columnOf, numberOf } from './options';
import type { PanelBodyProps } from './panelBody';
import { fillTemplate } from './template';

interface Bar {
  readonly root: HTMLElement;
  readonly label: HTMLElement;
  readonly value: HTMLElement;
  readonly fill: HTMLElement;
  readonly detail: HTMLElement;
}

export function BarsPanel({ panel, source }: PanelBodyProps) {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    const root = list.current;
    if (root === null) {
      return;
    }
    const bars = new Map<string, Bar>();
    return source.listen(() => {
      const { table } = source;
      const columns = columnNames(panel, table.columns);
      const cell = (row: Row, name: string) => row[table.columnIndex(name)] ?? null;
      const rows = [...table.rows()];
      const most = Math.max(...rows.map(([, row]) => numeric(cell(row, columns.value)) ?? 0), Number.MIN_VALUE);
      const topOf = (row: Row) => {
        const column = columnOf(panel.options?.max);
        const own = column === undefined ? numberOf(panel.options?.max) : (numeric(cell(row, column)) ?? undefined);
        return own ?? most;
      };
      for (const [key, bar] of bars) {
        if (table.row(key) === undefined) {
          bar.root.remove();
          bars.delete(key);
        }
      }
      rows.forEach(([key, row], index) => {
        const bar = bars.get(key) ?? createBar();
        bars.set(key, bar);
        if (root.children[index] !== bar.root) {
          root.insertBefore(bar.root, root.children[index] ?? null);
        }
        writeBar(
          bar,
          panel,
          String(cell(row, columns.label) ?? '–'),
          numeric(cell(row, columns.value)),
          topOf(row),
          (name) => numeric(cell(row, name)),
        );
      });
    });
  }, [panel, source]);
  return <ul ref={list} className="bars" tabIndex={0} aria-label={panel.title} />;
}

function columnNames(panel: Panel, columns: readonly { readonly name: string; readonly type: string }[]) {
  const label = panel.options?.label ?? columns.find(({ type }) => type === 'string')?.name ?? '';
  const value = panel.options?.value ?? columns.find(({ name }) => name !== label)?.name ?? '';
  return { label, value };
}

function createBar(): Bar {
  const element = (tag: string, className: string) => {
    const made = document.createElement(tag);
    made.className = className;
    return made;
  };
  const root = element('li', 'bar');
  const label = element('span', 'bar-label');
  const value = element('b', 'bar-value');
  const track = element('div', 'bar-track');
  const fill = element('div', 'bar-fill');
  const detail = element('span', 'bar-detail');
  track.append(fill);
  root.append(label, value, track, detail);
  return { root, label, value, fill, detail };
}

function writeBar(
  bar: Bar,
  panel: Panel,
  name: string,
  value: number | null,
  top: number,
  column: (name: string) => number | null,
): void {
  const unit = panel.unit ?? '';
  const options = panel.options ?? {};
  setText(bar.label, name);
  setText(bar.value, unitText(value, unit, options.decimals));
  const detail = options.detail ?? '';
  setText(
    bar.detail,
    fillTemplate(detail, column, (each) => options.units?.[each] ?? unit),
  );
  bar.root.dataset.level = levelOf(value, panel.thresholds) ?? '';
  bar.fill.style.width = `${100 * Math.min(1, Math.max(0, (value ?? 0) / top))}%`;
}
