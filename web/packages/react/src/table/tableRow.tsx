'use client';
/** One row of a table. Rendered again only when it, its place or the columns changed; a changed cell flashes. */

import type { Cell } from '@pulseboard/client';
import { type KeyboardEvent, memo, useRef } from 'react';
import { useFlash } from '../components/flashingValue.js';
import { formatCell, UNKNOWN } from '../format/format.js';
import { formatNumber } from '../format/formatters.js';
import type { DataColumn, TableRow } from './columns.js';

export interface TableRowProps<Row extends TableRow> {
  readonly id: string;
  readonly row: Row;
  readonly index: number;
  readonly top: number;
  readonly columns: readonly DataColumn<Row>[];
  readonly template: string;
  readonly isNew: boolean;
  readonly locale: string;
  readonly zone: string | undefined;
  readonly onSelect: ((row: Row, key: string) => void) | undefined;
}

function Row<R extends TableRow>(props: TableRowProps<R>) {
  const { id, row, index, top, columns, template, isNew, locale, zone, onSelect } = props;
  const select =
    onSelect === undefined
      ? {}
      : {
          onClick: () => onSelect(row, id),
          onKeyDown: (event: KeyboardEvent) => {
            if (event.key === 'Enter') {
              onSelect(row, id);
            }
          },
        };
  return (
    <div
      className="pb-table-row"
      role="row"
      tabIndex={onSelect === undefined ? -1 : 0}
      aria-rowindex={index + 2}
      data-new={isNew}
      data-selectable={onSelect !== undefined}
      style={{ gridTemplateColumns: template, transform: `translateY(${top}px)` }}
      {...select}
    >
      {columns.map((column) => (
        <CellView<R> key={column.key} column={column} row={row} locale={locale} zone={zone} />
      ))}
    </div>
  );
}

export const TableRowView = memo(Row) as typeof Row;

interface CellProps<R extends TableRow> {
  readonly column: DataColumn<R>;
  readonly row: R;
  readonly locale: string;
  readonly zone: string | undefined;
}

function CellView<R extends TableRow>({ column, row, locale, zone }: CellProps<R>) {
  const element = useRef<HTMLDivElement>(null);
  const value: unknown = row[column.key];
  const isKnown = value !== null && value !== undefined;
  const text = isKnown ? textOf(value, column, row, locale, zone) : UNKNOWN;
  const flashes = isKnown && column.flash !== false && (typeof value === 'number' || typeof value === 'string');
  useFlash(element, flashes ? value : null, text);
  return (
    <div
      ref={element}
      role="cell"
      className={isKnown ? 'pb-table-cell' : 'pb-table-cell pb-unknown'}
      data-numeric={column.isNumeric === true}
      data-type={column.type}
      title={text}
    >
      {text}
    </div>
  );
}

function textOf<R extends TableRow>(
  value: unknown,
  column: DataColumn<R>,
  row: R,
  locale: string,
  zone: string | undefined,
): string {
  if (column.format !== undefined) {
    return column.format(value, row);
  }
  if (column.type !== undefined || column.unit !== undefined) {
    const unit = column.unit === undefined ? {} : { unit: column.unit };
    return formatCell(value as Cell, { type: column.type ?? '', zone, ...unit });
  }
  return typeof value === 'number' ? formatNumber(value, { locale }) : String(value);
}
