/** A keyed result as a table. */

import { useEffect, useRef } from 'react';
import { KeyedRows, LiveTable } from '../table';
import type { PanelBodyProps } from './panel';

export function TablePanel({ panel, channel, zone }: PanelBodyProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const units = panel.options?.units ?? {};
    const table = new LiveTable({ host: host.current, label: panel.title, zone, unit: (column) => units[column] });
    const rows = new KeyedRows(channel.table);
    const stop = channel.listen((changes) => table.show(rows, changes));
    return () => {
      stop();
      table.destroy();
    };
  }, [panel, channel, zone]);
  return <div ref={host} className="min-h-0 flex-1" />;
}
