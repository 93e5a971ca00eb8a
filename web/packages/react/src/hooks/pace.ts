/** How often React hears of changes: what is asked for, less where power or data are to be saved. */

/** More often than this text cannot be read; charts that draw beside React get more. */
export const DEFAULT_MAX_HZ = 10;
/** What a reader who saves data gets. */
const SAVING_MAX_HZ = 1;

interface Connection {
  readonly saveData?: boolean;
}

export function savesData(): boolean {
  if (typeof navigator === 'undefined') {
    return false;
  }
  const { connection } = navigator as { readonly connection?: Connection };
  return connection?.saveData === true || matchMedia('(prefers-reduced-data: reduce)').matches;
}

export function paced(max_hz: number | undefined): number {
  const asked = max_hz ?? DEFAULT_MAX_HZ;
  return savesData() ? Math.min(asked, SAVING_MAX_HZ) : asked;
}
