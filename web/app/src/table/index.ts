export { type CellLook, LiveTable } from './liveTable';
export { KeyedRows, type RowSource, TailRows } from './rows';
