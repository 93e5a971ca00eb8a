/** A keyed result as a table. */

import { useEffect, useRef } from 'react';
import { insist } from '../shared/later';
import { KeyedRows, LiveTable, type LiveTableOptions } from '../table';
import type { PanelBodyProps } from './panelBody';
import { tableLook } from './tableLooks';
import type { ShownRows, TableSparks } from './tableSparks';

export function TablePanel({ panel, source, zone, related }: PanelBodyProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const options = panel.options ?? {};
    const units = options.units ?? {};
    const lines = options.spark_panel === undefined ? null : related(options.spark_panel);
    const shown: ShownRows = new Map();
    let sparks: TableSparks | null = null;
    let over = false;
    const picture: LiveTableOptions['picture'] = {
      label: options.labels?.[options.spark_value ?? ''] ?? 'Trend',
      write(cell, cells) {
        shown.set(cell, cells);
        sparks?.draw(cell, cells);
      },
    };
    const table = new LiveTable({
      host: host.current,
      label: panel.title,
      zone,
      unit: (column) => units[column],
      columns: options.columns,
      look: tableLook(options),
      picture: lines === null ? undefined : picture,
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
    if (lines !== null) {
      void insist(() => import('./tableSparks')).then(({ TableSparks }) => {
        if (!over) {
          sparks = new TableSparks({ options, rows: source, lines, shown });
        }
      });
    }
    return () => {
      over = true;
      stop();
      sparks?.destroy();
      table.destroy();
    };
  }, [panel, source, zone, related]);
  return <div ref={host} className="min-h-0 flex-1" />;
}
