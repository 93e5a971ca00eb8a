/** Requests that do not let their page down. No React. */

export {
  FetchError,
  type ResilientOptions,
  type ResilientResult,
  resetResilience,
  resilientFetch,
} from './resilientFetch.js';
