/** One made-up answer: knows its rows, says what changed as the protocol does. */

const LIVE = { status: 'live', mode: 'maintained' };

/** What a panel's state is in a play; null for live. */
export function stateOf(play, panel) {
  if (play === 'empty') {
    return { status: 'waiting', mode: 'maintained', reason: 'waiting for the stream `host_cpu`' };
  }
  const states = {
    load: { status: 'backfilling', mode: 'maintained', progress: { done: 420_000, total: 1_000_000 } },
    swap: { status: 'waiting', mode: 'maintained', reason: 'waiting for the column `swap_used`' },
    disk: {
      status: 'stale',
      mode: 'maintained',
      reason: 'the source `host` is away',
      as_of: Date.now() * 1_000 - 14e6,
    },
    network_per_interface: { status: 'error', mode: 'maintained', reason: 'overflow in `sum(rx_bytes_s)`' },
    disks: { status: 'truncated', mode: 'maintained', reason: 'more than 200,000 groups; it keeps what it has' },
    processes: { status: 'rerun', mode: 'rerun', reason: 'last_value with two orders' },
  };
  return play === 'states' ? (states[panel] ?? null) : null;
}

export class Instance {
  #rows = new Map();
  #make;
  #state;

  constructor(make, state) {
    this.#make = make;
    this.#state = state;
  }

  get #blank() {
    return ['waiting', 'backfilling'].includes(this.#state?.status);
  }

  first() {
    if (this.#blank) {
      return { state: this.#state };
    }
    const { columns, rows, ordered } = this.#make();
    this.#rows = rows;
    const keys = [...rows.keys()];
    const order = ordered ? { order: keys } : {};
    return { snapshot: { columns, keys, rows: [...rows.values()], ...order }, state: this.#state ?? LIVE };
  }

  step() {
    if (this.#blank || this.#state?.status === 'stale' || this.#state?.status === 'error') {
      return null;
    }
    const { columns, rows, ordered } = this.#make();
    const before = this.#rows;
    const set = {};
    for (const [key, row] of rows) {
      const old = before.get(key);
      const changed = columns.map((column, index) => [column.name, row[index], old?.[index]]);
      const fields = changed.filter(([, value, was]) => old === undefined || value !== was);
      if (fields.length > 0) {
        set[key] = Object.fromEntries(fields.map(([name, value]) => [name, value]));
      }
    }
    const del = [...before.keys()].filter((key) => !rows.has(key));
    this.#rows = rows;
    const order = ordered ? { order: [...rows.keys()] } : {};
    return Object.keys(set).length + del.length === 0 ? null : { delta: { set, del, ...order } };
  }
}
