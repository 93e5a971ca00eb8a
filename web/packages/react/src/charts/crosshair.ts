/** The instant that the pointer is at, in whichever chart it is: every chart of the page shows it. Only passes it on. */

export type CrosshairListener = (time_ms: number | null, from: object) => void;

const listeners = new Set<CrosshairListener>();
let at_ms: number | null = null;

export const crosshair = {
  /** Where it is, ms since 1970; null while the pointer is in no chart. */
  get time_ms(): number | null {
    return at_ms;
  },

  /** Moves it; `from` is whoever says so, and hears it too. */
  move(time_ms: number | null, from: object): void {
    if (time_ms !== at_ms) {
      at_ms = time_ms;
      for (const listener of [...listeners]) {
        listener(time_ms, from);
      }
    }
  },

  listen(listener: CrosshairListener): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};
