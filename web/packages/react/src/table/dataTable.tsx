'use client';

/**
 * A table of many rows, of which only those in view exist. Rows are known by key: a cell that changes flashes, a row that
 * is new is tinted, and the order stands still while the pointer is over it.
 *
 * Rows come as props or from a live query's `channel`. A row that is the same object as before is not rendered again.
 */

import type { KeyedChannel } from '@pulseboard/client';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useLocale, useScope } from '../shared/context.js';
import { useHeldOrder } from '../shared/heldOrder.js';
import { classes, HonestBody, type LiveProps, NoticeMark, useNotice } from '../shared/honest.js';
import { columnsOf, type DataColumn, type SortOrder, shapeOf, sortedKeys, type TableRow } from './columns.js';
import { TableRowView } from './tableRow.js';

export interface DataTableProps<Row extends TableRow = TableRow> extends LiveProps {
  /** Null while nothing is known; an empty list is an answer. */
  readonly rows?: readonly Row[] | null | undefined;
  /** The data of a live query: `useLiveQuery(…).channel`. */
  readonly channel?: KeyedChannel | null | undefined;
  /** Default every column there is. Keep the array's identity. */
  readonly columns?: readonly DataColumn<Row>[] | undefined;
  /** What tells a row from the others: a column, or a function. Default the place, or the channel's keys. */
  readonly rowKey?: (keyof Row & string) | ((row: Row) => string) | undefined;
  readonly title?: string | undefined;
  /** Whether a click on a head sorts. Default true; a channel's own order is the first. */
  readonly sortable?: boolean | undefined;
  readonly onSelect?: ((row: Row, key: string) => void) | undefined;
  /** Pixels, or any CSS length. Default 320. */
  readonly height?: number | string | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

const ROW_PX = 30;
const OVERSCAN = 6;
const DEFAULT_HEIGHT_PX = 320;

export function DataTable<Row extends TableRow = TableRow>(props: DataTableProps<Row>) {
  const { channel, title, sortable = true, onSelect, height = DEFAULT_HEIGHT_PX, className, style } = props;
  const locale = useLocale();
  const { timezone } = useScope();
  const followed = useChannelRows<Row>(channel ?? null);
  const rows = channel == null ? (props.rows ?? null) : followed.rows;
  const { rowKey } = props;
  const keyed = useMemo(
    () => keyedRows(rows ?? [], channel == null ? rowKey : undefined, followed.keys),
    [rows, rowKey, channel, followed.keys],
  );
  const shape = shapeOf(rows?.[0]);
  const derived = useMemo(() => columnsOf<Row>(followed.columns, shape), [followed.columns, shape]);
  const columns = props.columns ?? derived;
  const [sort, setSort] = useState<SortOrder | null>(null);
  const now = useMemo(() => sortedKeys(keyed, sort), [keyed, sort]);
  const { order, handlers } = useHeldOrder(now);
  const hasData = rows !== null && rows.length > 0;
  const notice = useNotice(props, hasData);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: order.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN,
    // Before anything is laid out, and on a server that renders, the rows that will be in view are there already.
    initialRect: { width: 0, height: typeof height === 'number' ? height : DEFAULT_HEIGHT_PX },
    getItemKey: (index) => order[index] ?? index,
  });
  const news = useNews(keyed);
  const template = columns
    .map(({ width = 'minmax(72px, 1fr)' }) => (typeof width === 'number' ? `${width}px` : width))
    .join(' ');
  return (
    <section className={classes('pb-datatable', className)} style={style}>
      {title === undefined && notice === null ? null : (
        <header className="pb-head">
          <h3 className="pb-title">{title}</h3>
          <NoticeMark notice={notice} />
        </header>
      )}
      <HonestBody
        live={props}
        notice={notice}
        hasData={hasData}
        empty={rows === null ? 'no data yet' : 'no rows right now'}
      >
        <div
          ref={scroller}
          className="pb-table"
          style={{ height }}
          role="table"
          aria-label={title ?? 'rows'}
          aria-rowcount={order.length + 1}
          tabIndex={0}
          {...handlers}
        >
          <div className="pb-table-head" role="rowgroup">
            <div className="pb-table-row" role="row" style={{ gridTemplateColumns: template }} tabIndex={-1}>
              {columns.map((column) => (
                <Head key={column.key} column={column} sort={sort} onSort={sortable ? setSort : undefined} />
              ))}
            </div>
          </div>
          <div role="rowgroup" className="pb-table-body" style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => {
              const key = order[item.index] ?? '';
              const row = keyed.get(key);
              return row === undefined ? null : (
                <TableRowView<Row>
                  key={key}
                  id={key}
                  row={row}
                  index={item.index}
                  top={item.start}
                  columns={columns}
                  template={template}
                  isNew={news.has(key)}
                  locale={locale}
                  zone={timezone}
                  onSelect={onSelect}
                />
              );
            })}
          </div>
        </div>
      </HonestBody>
    </section>
  );
}

interface HeadProps<Row extends TableRow> {
  readonly column: DataColumn<Row>;
  readonly sort: SortOrder | null;
  readonly onSort: ((sort: SortOrder | null) => void) | undefined;
}

function Head<Row extends TableRow>({ column, sort, onSort }: HeadProps<Row>) {
  const isSorted = sort?.key === column.key;
  const direction = isSorted ? (sort.descending ? 'descending' : 'ascending') : 'none';
  const label: ReactNode = column.title ?? column.key;
  // Once more of it: down, up, and as it came.
  const next = !isSorted
    ? { key: column.key, descending: column.isNumeric === true }
    : sort.descending === (column.isNumeric === true)
      ? { key: column.key, descending: !sort.descending }
      : null;
  return (
    <div
      role="columnheader"
      tabIndex={-1}
      className="pb-table-cell"
      data-numeric={column.isNumeric === true}
      aria-sort={direction}
    >
      {onSort === undefined ? (
        label
      ) : (
        <button type="button" className="pb-table-sort" onClick={() => onSort(next)}>
          {label}
          <span aria-hidden="true">{isSorted ? (sort.descending ? ' ↓' : ' ↑') : ''}</span>
        </button>
      )}
    </div>
  );
}

function keyedRows<Row extends TableRow>(
  rows: readonly Row[],
  rowKey: DataTableProps<Row>['rowKey'],
  keys: readonly string[],
): ReadonlyMap<string, Row> {
  const keyOf = (row: Row, index: number) =>
    rowKey === undefined
      ? (keys[index] ?? String(index))
      : typeof rowKey === 'function'
        ? rowKey(row)
        : String(row[rowKey]);
  return new Map(rows.map((row, index) => [keyOf(row, index), row]));
}

/** Which rows came with the last change; none of those that were there first. */
function useNews(keyed: ReadonlyMap<string, unknown>): ReadonlySet<string> {
  const seen = useRef<ReadonlyMap<string, unknown> | null>(null);
  const news = useMemo(() => {
    const before = seen.current;
    return new Set(before === null || before.size === 0 ? [] : [...keyed.keys()].filter((key) => !before.has(key)));
  }, [keyed]);
  useEffect(() => {
    seen.current = keyed;
  }, [keyed]);
  return news;
}

interface ChannelRows<Row> {
  readonly rows: readonly Row[] | null;
  readonly keys: readonly string[];
  readonly columns: KeyedChannel['table']['columns'];
}

const NO_ROWS: ChannelRows<never> = { rows: null, keys: [], columns: [] };

/** The rows of a channel; those that did not change keep their identity. */
function useChannelRows<Row extends TableRow>(channel: KeyedChannel | null): ChannelRows<Row> {
  const known = useRef(new Map<string, Row>());
  const [rows, setRows] = useState<ChannelRows<Row>>(NO_ROWS);
  const read = useCallback((from: KeyedChannel): ChannelRows<Row> => {
    const { table } = from;
    const keys = [...table.keys()];
    const made = keys.map((key) => {
      let row = known.current.get(key);
      if (row === undefined) {
        const cells = table.row(key) ?? [];
        row = Object.fromEntries(table.columns.map(({ name }, index) => [name, cells[index] ?? null])) as Row;
        known.current.set(key, row);
      }
      return row;
    });
    return { rows: made, keys, columns: table.columns };
  }, []);
  useEffect(() => {
    known.current.clear();
    if (channel === null) {
      setRows(NO_ROWS);
      return;
    }
    return channel.listen(({ replaced, changed, removed }) => {
      if (replaced) {
        known.current.clear();
      }
      for (const key of [...changed.keys(), ...removed]) {
        known.current.delete(key);
      }
      setRows(channel.loaded ? read(channel) : NO_ROWS);
    });
  }, [channel, read]);
  return rows;
}
