/**
 * How many rows came too late while somebody looks. The server counts them for as long as the view exists, and a number that
 * only stands there is soon not read any more: a panel says so while it happens, its details say the whole.
 */

/** For how long it is said after the last one. */
const SAID_MS = 60_000;

export class LateRows {
  /** What had come when the page began to look, or when it was said long enough. */
  #before: number | null = null;
  #total = 0;
  #risen_ms = Number.NEGATIVE_INFINITY;

  /** Takes the server's count, and gives how many there are to speak of. */
  fresh(total: number | null, now_ms: number): number {
    if (total === null) {
      return 0;
    }
    if (this.#before === null || total < this.#before || now_ms - this.#risen_ms > SAID_MS) {
      this.#before = this.#before === null || total <= this.#total ? total : this.#total;
    }
    if (total > this.#total) {
      this.#risen_ms = now_ms;
    }
    this.#total = total;
    return total - this.#before;
  }
}
