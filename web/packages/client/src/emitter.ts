/** A list of listeners. One that throws does not keep the others from hearing. */

import type { Cancel } from './environment.js';

export class Emitter<T> {
  #listeners = new Set<(value: T) => void>();

  get size(): number {
    return this.#listeners.size;
  }

  listen(listener: (value: T) => void): Cancel {
    // A wrapper per call, so that the same function may listen twice and each cancels only itself.
    const own = (value: T) => listener(value);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  emit(value: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(value);
      } catch (error) {
        // Reported like any uncaught error, but after everybody has been told.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
