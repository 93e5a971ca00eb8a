/** A keyed result as a table. */

import { useEffect, useRef } from 'react';
import { KeyedRows, LiveTable } from '../table';
import type { PanelBodyProps } from './panelBody';
import { tableLook } from './tableLooks';

export function TablePanel({ panel, source, zone }: PanelBodyProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const units = panel.options?.units ?? {};
    const table = new LiveTable({
      host: host.current,
      label: panel.title,
      zone,
      unit: (column) => units[column],
      columns: panel.options?.columns,
      look: tableLook(panel.options ?? {}),
    });
    let held = source.table;
    let rows = new KeyedRows(held);
    const stop = source.listen((changes) => {
      if (held !== source.table) {
        held = source.table;
        rows = new KeyedRows(held);
      }
      table.show(rows, changes);
    });
    return () => {
      stop();
      table.destroy();
    };
  }, [panel, source, zone]);
  return <div ref={host} className="min-h-0 flex-1" />;
}
