/**
 * What a board on a wall needs beside big type: a screen that stays awake, a cursor that goes away, a page that renews itself after an upgrade.
 *
 * Loaded when there is a wall. Knows nothing of what the board shows.
 */

import { client } from '../shared/live';

const CURSOR_MS = 3_000;
const UPGRADE_EVERY_MS = 60_000;
/** Against burn-in the picture moves by a pixel each minute and back. */
const SHIFT_EVERY_MS = 60_000;
const SHIFTS_PX = [0, 1, 2, 1] as const;

/** Begins all of that; the function returned ends it. */
export function beOnAWall(root: HTMLElement): () => void {
  const stops = [stayAwake(), hideCursor(root), watchUpgrades(), shift(root)];
  return () => {
    for (const stop of stops) {
      stop();
    }
  };
}

/** The system takes the lock away whenever the page is hidden, so it is asked for again. */
function stayAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let over = false;
  const take = async () => {
    if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) {
      return;
    }
    const taken = await navigator.wakeLock.request('screen').catch(() => null);
    if (over) {
      void taken?.release();
    } else {
      lock = taken;
    }
  };
  void take();
  document.addEventListener('visibilitychange', take);
  return () => {
    over = true;
    document.removeEventListener('visibilitychange', take);
    void lock?.release();
  };
}

function hideCursor(root: HTMLElement): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const moved = () => {
    delete root.dataset.still;
    clearTimeout(timer);
    timer = setTimeout(() => {
      root.dataset.still = 'true';
    }, CURSOR_MS);
  };
  moved();
  addEventListener('pointermove', moved);
  return () => {
    clearTimeout(timer);
    delete root.dataset.still;
    removeEventListener('pointermove', moved);
  };
}

/** The scripts that a page loads; their names change with their content. */
function scriptsOf(page: ParentNode): string {
  const scripts = [...page.querySelectorAll('script[src]')];
  return scripts.map((script) => script.getAttribute('src')?.replace(/^\.?\//, '')).join();
}

function watchUpgrades(): () => void {
  const own = scriptsOf(document);
  const look = async () => {
    const response = await fetch(document.baseURI, { cache: 'no-store' }).catch(() => null);
    if (response?.ok !== true) {
      return;
    }
    const served = scriptsOf(new DOMParser().parseFromString(await response.text(), 'text/html'));
    if (served !== '' && served !== own) {
      location.reload();
    }
  };
  const timer = setInterval(look, UPGRADE_EVERY_MS);
  // A server that comes back may be a newer one.
  const stop = client.onConnection(({ status }) => status === 'open' && void look());
  return () => {
    clearInterval(timer);
    stop();
  };
}

function shift(root: HTMLElement): () => void {
  let step = 0;
  const timer = setInterval(() => {
    step = (step + 1) % SHIFTS_PX.length;
    root.style.setProperty('--shift', `${SHIFTS_PX[step]}px`);
  }, SHIFT_EVERY_MS);
  return () => {
    clearInterval(timer);
    root.style.removeProperty('--shift');
  };
}
