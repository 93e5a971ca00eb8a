/**
 * What worked at the last visit, per server: so that behind a proxy which stops WebSockets not every page load tries one
 * first. A climb still finds out when that changes.
 */

import type { TextStore } from './environment.js';
import { TRANSPORTS, type TransportKind } from './machine.js';

/** Networks change; what worked longer ago than this says nothing. */
const KEPT_MS = 24 * 3_600_000;

export class TransportMemory {
  readonly #store: TextStore | null;
  readonly #name: string;

  constructor(store: TextStore | null, base: URL) {
    this.#store = store;
    this.#name = `pulseboard.transport ${base.href}`;
  }

  recall(now_ms: number): TransportKind | null {
    try {
      const [kind, at_ms] = (this.#store?.getItem(this.#name) ?? '').split(' ');
      const known = TRANSPORTS.find((each) => each === kind);
      return known !== undefined && Math.abs(now_ms - Number(at_ms)) < KEPT_MS ? known : null;
    } catch {
      return null;
    }
  }

  remember(kind: TransportKind, now_ms: number): void {
    try {
      this.#store?.setItem(this.#name, `${kind} ${Math.round(now_ms)}`);
    } catch {
      // A full or forbidden storage only costs a slower start next time.
    }
  }
}
