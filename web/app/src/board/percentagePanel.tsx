/** A bar for each row, filled from zero: to both sides where the scale begins below it. */

import { type KeyedTable, numeric } from '@pulseboard/client';
import { PercentageBar } from '@pulseboard/react';
import { useCallback } from 'react';
import { cellReader, labelColumn, optionNumber, valueColumn } from './columns';
import type { PanelBodyProps } from './panelBody';
import { useSample } from './sample';
import { fillTemplate } from './template';

export function PercentagePanel({ panel, source }: PanelBodyProps) {
  const options = panel.options ?? {};
  const read = useCallback(
    (table: KeyedTable) => {
      const label = labelColumn(panel, table);
      const value = valueColumn(panel, table, [label]);
      const unitOf = (column: string) => panel.options?.units?.[column] ?? panel.unit ?? '';
      return [...table.rows()].map(([key, row]) => {
        const cell = cellReader(table, row);
        return {
          key,
          label: label === null ? undefined : String(cell(label) ?? '–'),
          value: numeric(cell(value)),
          max: optionNumber(panel.options?.max, cell),
          detail: fillTemplate(panel.options?.detail ?? '', (column) => numeric(cell(column)), unitOf),
        };
      });
    },
    [panel],
  );
  const bars = useSample(source, read) ?? [];
  return (
    <ul className="percentages scrolls">
      {bars.map(({ key, label, value, max, detail }) => (
        <li key={key}>
          <PercentageBar
            value={value}
            min={options.min}
            max={max}
            label={label}
            unit={panel.unit ?? undefined}
            decimals={options.decimals}
            thresholds={panel.thresholds}
            color={options.color}
          />
          {detail === '' ? null : <span className="bar-detail">{detail}</span>}
        </li>
      ))}
      {options.low_label === undefined && options.high_label === undefined ? null : (
        <li className="percent-ends" aria-hidden="true">
          <span>{options.low_label}</span>
          <span>{options.high_label}</span>
        </li>
      )}
    </ul>
  );
}
