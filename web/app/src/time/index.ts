export { bucketFor } from './buckets';
export {
  describe,
  makeAbsolute,
  moved,
  parseTyped,
  QUICK_RANGES,
  resolve,
  type Span,
  type TimeRange,
  toServer,
  zoomedOut,
} from './range';
export { TimePicker } from './timePicker';
export { isZone } from './zone';
