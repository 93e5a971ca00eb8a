/** One number on an arc. */

import { type KeyedTable, numeric } from '@pulseboard/client';
import { Gauge } from '@pulseboard/react';
import { useCallback } from 'react';
import { cellReader, optionNumber, valueColumn } from './columns';
import type { PanelBodyProps } from './panelBody';
import { useSample } from './sample';
import { fillTemplate } from './template';

export function GaugePanel({ panel, source }: PanelBodyProps) {
  const options = panel.options ?? {};
  const read = useCallback(
    (table: KeyedTable) => {
      const row = [...table.rows()].at(-1)?.[1] ?? [];
      const cell = cellReader(table, row);
      const max = optionNumber(panel.options?.max, cell);
      const value = numeric(cell(valueColumn(panel, table, [panel.options?.max as string | undefined])));
      const unitOf = (column: string) => panel.options?.units?.[column] ?? panel.unit ?? '';
      const detail = fillTemplate(panel.options?.detail ?? '', (column) => numeric(cell(column)), unitOf);
      return { value, max, detail };
    },
    [panel],
  );
  const sample = useSample(source, read);
  return (
    <div className="gauge-host">
      <Gauge
        value={sample?.value ?? null}
        min={options.min}
        max={sample?.max}
        unit={panel.unit ?? undefined}
        decimals={options.decimals}
        thresholds={panel.thresholds}
        color={options.color}
      />
      {sample?.detail ? <p className="stat-detail">{sample.detail}</p> : null}
    </div>
  );
}
