export { bucketFor } from './buckets';
export {
  describe,
  makeAbsolute,
  moved,
  resolve,
  type Span,
  type TimeRange,
  toServer,
  zoomedOut,
} from './range';
export { TimePicker } from './timePicker';
export { isZone } from './zone';
