/** How often React hears of changes: what is asked for, less where power or data are to be saved. */

/** More often than this text cannot be read; charts that draw beside React get more. */
export const DEFAULT_MAX_HZ = 10;
/** What a reader gets who saves data, or whose battery is nearly empty. */
const SAVING_MAX_HZ = 1;
/** From here on a battery that is not being charged counts as nearly empty. */
const LOW_BATTERY = 0.2;

interface Battery {
  readonly charging: boolean;
  readonly level: number;
}

interface Device {
  readonly connection?: { readonly saveData?: boolean };
  readonly getBattery?: () => Promise<Battery>;
}

let battery: Battery | 'asked' | null = null;

/** Known a moment after it was asked for the first time; false where a browser does not say. */
function isLow(device: Device): boolean {
  if (battery === null && device.getBattery !== undefined) {
    battery = 'asked';
    device.getBattery().then(
      (told) => {
        battery = told;
      },
      () => {},
    );
  }
  return battery !== null && battery !== 'asked' && !battery.charging && battery.level <= LOW_BATTERY;
}

/** Whether the reader or the device asks for less. */
export function savesPower(): boolean {
  if (typeof navigator === 'undefined' || typeof matchMedia === 'undefined') {
    return false;
  }
  const device = navigator as Device;
  return device.connection?.saveData === true || matchMedia('(prefers-reduced-data: reduce)').matches || isLow(device);
}

export function paced(max_hz: number | undefined): number {
  const asked = max_hz ?? DEFAULT_MAX_HZ;
  return savesPower() ? Math.min(asked, SAVING_MAX_HZ) : asked;
}
