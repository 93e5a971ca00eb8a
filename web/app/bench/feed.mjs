/** Posts at a steady pace while something is measured, and says what pace it really was. */

export class Feed {
  #timer;
  #began_ms = performance.now();
  #sent = 0;
  #failed = null;
  #waiting = new Set();

  /** `post(n)` sends the nth body and resolves when it was taken. */
  constructor(hz, post) {
    const every_ms = 1_000 / hz;
    const tick = () => {
      const due = Math.floor((performance.now() - this.#began_ms) / every_ms);
      while (this.#sent < due && this.#failed === null) {
        this.#sent += 1;
        const taken = post(this.#sent).catch((error) => {
          this.#failed = error;
        });
        this.#waiting.add(taken);
        void taken.then(() => this.#waiting.delete(taken));
      }
      this.#timer = setTimeout(tick, every_ms / 4);
    };
    tick();
  }

  get hz() {
    return this.#sent / ((performance.now() - this.#began_ms) / 1_000);
  }

  async stop() {
    clearTimeout(this.#timer);
    await Promise.all(this.#waiting);
    if (this.#failed !== null) {
      throw this.#failed;
    }
  }
}
