export { type CellLook, LiveTable, type LiveTableOptions } from './liveTable';
export { KeyedRows, type RowSource, TailRows } from './rows';
