/** A ranking: the first rows as bars, the rest counted. In the query's order; largest first where it says none. */

import { type KeyedTable, numeric } from '@pulseboard/client';
import { BarList } from '@pulseboard/react';
import { fixed } from '@pulseboard/react/format';
import { useCallback } from 'react';
import { cellReader, labelColumn, optionNumber, valueColumn } from './columns';
import type { PanelBodyProps } from './panelBody';
import { useSample } from './sample';
import { columnsIn, fillTemplate } from './template';

export function BarListPanel({ panel, source }: PanelBodyProps) {
  const options = panel.options ?? {};
  const read = useCallback(
    (table: KeyedTable) => {
      const label = labelColumn(panel, table);
      const value = valueColumn(panel, table, [label]);
      const rows = [...table.rows()].map(([key, row]) => ({ key, cell: cellReader(table, row) }));
      const whole = rows.reduce((sum, { cell }) => sum + Math.max(0, numeric(cell(value)) ?? 0), 0);
      const unitOf = (column: string) => panel.options?.units?.[column] ?? panel.unit ?? '';
      const items = rows.map(({ key, cell }) => {
        const size = numeric(cell(value));
        const share =
          panel.options?.share === true && size !== null && whole > 0 ? `${fixed((100 * size) / whole, 1)} %` : '';
        const words = lineOf(panel.options?.detail ?? '', (column) => numeric(cell(column)), unitOf);
        const detail = [share, words].filter(Boolean).join(' · ');
        return { key, label: String(cell(label ?? '') ?? '–'), value: size, ...(detail === '' ? {} : { detail }) };
      });
      const first = rows[0]?.cell ?? (() => null);
      return {
        items,
        sort: table.ordered ? ('none' as const) : ('value' as const),
        max: optionNumber(panel.options?.max, first),
      };
    },
    [panel],
  );
  const sample = useSample(source, read);
  return (
    <BarList
      className="scrolls"
      items={sample?.items ?? []}
      limit={options.limit}
      max={sample?.max}
      sort={sample?.sort}
      unit={panel.unit ?? undefined}
      decimals={options.decimals}
      thresholds={panel.thresholds}
      color={options.color}
    />
  );
}

/** A line of which nothing is known says nothing, and keeps its place. */
function lineOf(template: string, cell: (column: string) => number | null, unitOf: (column: string) => string): string {
  const columns = columnsIn(template);
  const isUnknown = columns.length > 0 && columns.every((column) => cell(column) === null);
  return isUnknown ? '\u00a0' : fillTemplate(template, cell, unitOf);
}
