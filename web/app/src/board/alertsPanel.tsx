/** Firings out of a query, a row each: what fires first, the worst first; what ended below. */

import type { KeyedTable } from '@pulseboard/client';
import { AlertList, alertOf } from '@pulseboard/react';
import { useCallback } from 'react';
import type { PanelBodyProps } from './panelBody';
import { useSample } from './sample';

export function AlertsPanel({ panel, source }: PanelBodyProps) {
  const read = useCallback(
    (table: KeyedTable) =>
      [...table.rows()].map(([key, cells]) => {
        const row = Object.fromEntries(table.columns.map(({ name }, index) => [name, cells[index] ?? null]));
        return alertOf({ ...row, unit: row.unit ?? panel.unit ?? null }, key);
      }),
    [panel],
  );
  const alerts = useSample(source, read);
  return alerts === null || alerts.length === 0 ? null : (
    <AlertList className="scrolls" alerts={alerts} limit={panel.options?.limit} />
  );
}
