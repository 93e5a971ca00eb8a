/** A made-up machine: walks that look like load, memory and traffic, and the answers of the infra board over them. */

const GIB = 1_073_741_824;
const HISTORY_S = 300;

/** A value that wanders between bounds, with a spike now and then. */
function walk(start, low, high, step, spike = 0) {
  let value = start;
  return () => {
    value += (Math.random() - 0.5) * step + (start - value) * 0.03;
    value = Math.min(high, Math.max(low, value));
    return Math.random() < spike ? Math.min(high, value * 2.2) : value;
  };
}

const time = (name) => ({ name, type: 'time', key: true });
const float = (name) => ({ name, type: 'float' });
const int = (name, key) => ({ name, type: 'int', ...(key ? { key: true } : {}) });
const string = (name, key) => ({ name, type: 'string', ...(key ? { key: true } : {}) });

export function createHost() {
  const cores = [0, 1, 2, 3].map((core) => walk(14 + 9 * core, 1, 100, 9, 0.02));
  const walks = {
    system: walk(5, 1, 30, 2),
    used: walk(9.2 * GIB, 6 * GIB, 15 * GIB, 0.05 * GIB),
    swap: walk(0.4 * GIB, 0, 2 * GIB, 0.002 * GIB),
    load: walk(0.9, 0.05, 6, 0.12),
    read: walk(3.2e6, 0, 6e7, 2.4e6, 0.04),
    written: walk(8.1e6, 0, 9e7, 4e6, 0.06),
    eth0: walk(1.4e6, 1e4, 4e7, 8e5, 0.03),
    wlan0: walk(2.2e5, 0, 8e6, 1.6e5, 0.02),
    tx: walk(4.1e5, 1e3, 9e6, 1.4e5),
  };
  const names = [
    'postgres',
    'chromium',
    'pulseboard',
    'node',
    'rust-analyzer',
    'systemd',
    'sshd',
    'nginx',
    'redis-server',
    'python3',
    'containerd',
    'dockerd',
  ];
  const processes = names.map((name, index) => ({
    pid: 400 + index * 731,
    name,
    cpu: walk(40 / (index + 1.4), 0, 190, 5),
    memory: (2.4 * GIB) / (index + 1.3),
  }));
  const samples = [];

  const sample = (at_s) => {
    const usage = cores.map((next) => next());
    const total = usage.reduce((sum, each) => sum + each, 0) / usage.length;
    const values = Object.fromEntries(Object.entries(walks).map(([name, next]) => [name, next()]));
    samples.push({ t: at_s * 1_000_000, usage, total, ...values });
    samples.splice(0, samples.length - HISTORY_S);
  };
  const now_s = Math.floor(Date.now() / 1_000);
  for (let second = HISTORY_S; second > 0; second -= 1) {
    sample(now_s - second);
  }

  const series = (columns, cells, last_s = 120) => ({
    columns: [time('t'), ...columns.map(float)],
    rows: new Map(samples.slice(-last_s).map((each) => [String(each.t), [each.t, ...cells(each)]])),
  });
  const memory = 23.4 * GIB;
  const boards = {
    cpu: () =>
      series(['total', 'usr', 'sys'], (s) => [s.total, Math.max(0, s.total - s.system), Math.min(s.system, s.total)]),
    memory: () => series(['used_pct', 'used', 'total'], (s) => [(100 * s.used) / memory, s.used, memory]),
    load: () => series(['load1', 'load5', 'load15'], (s) => [s.load, s.load * 0.86 + 0.1, s.load * 0.7 + 0.2]),
    swap: () => series(['used', 'total'], (s) => [s.swap, 4 * GIB]),
    disk: () => series(['total', 'written'], (s) => [s.read + s.written, s.written]),
    network: () => series(['rx', 'tx'], (s) => [s.eth0 + s.wlan0, s.tx]),
    memory_over_time: () => series(['used', 'total'], (s) => [s.used, memory], HISTORY_S),
    disk_io: () => series(['read', 'written'], (s) => [s.read, s.written], HISTORY_S),
    cores: () => ({
      columns: [time('t'), int('core', true), float('usage')],
      rows: new Map(samples.flatMap((s) => s.usage.map((each, core) => [`${s.t}/${core}`, [s.t, core, each]]))),
    }),
    network_per_interface: () => ({
      columns: [time('t'), string('interface', true), float('rx')],
      rows: new Map(samples.flatMap((s) => ['eth0', 'wlan0'].map((name) => [`${s.t}/${name}`, [s.t, name, s[name]]]))),
    }),
    disks: () => ({
      columns: [string('mount', true), float('used_pct'), int('used'), int('total')],
      rows: new Map(
        [
          ['/var/lib/postgresql', 93.4, 480 * GIB],
          ['/', 81.2, 120 * GIB],
          ['/home', 47.9, 930 * GIB],
          ['/boot/efi', 6.1, 0.5 * GIB],
        ].map(([mount, pct, total]) => [mount, [mount, pct, Math.round((pct * total) / 100), total]]),
      ),
      ordered: true,
    }),
    processes: () => ({
      columns: [int('pid', true), string('process'), float('cpu'), int('memory')],
      rows: new Map(
        processes
          .map((each) => [String(each.pid), [each.pid, each.name, each.cpu(), Math.round(each.memory)]])
          .sort(([, a], [, b]) => b[2] - a[2]),
      ),
      ordered: true,
    }),
  };

  const streams = {
    host_cpu: [string('host'), float('total'), float('user'), float('system'), int('cores')],
    host_core: [string('host'), int('core'), float('usage')],
    host_load: [string('host'), float('load1'), float('load5'), float('load15')],
    host_memory: [string('host'), int('total'), int('used'), int('available'), float('used_pct')],
    host_network: [string('host'), string('interface'), float('rx_bytes_s'), float('tx_bytes_s')],
    host_process: [string('host'), int('pid'), string('name'), float('cpu_pct'), int('memory_bytes'), int('rank')],
  };
  let ticks = 0;
  return {
    streams,
    panel: (id) => boards[id === 'heat' ? 'cores' : id](),
    /** Whether there is an answer for that panel. */
    draws: (id) => id === 'heat' || id in boards,
    knows: (name) => name in streams,
    query: (sql) =>
      /core/.test(sql) ? coresNow(samples.at(-1)) : /process/.test(sql) ? boards.processes() : boards.cpu(),
    tick(now_ms) {
      const at_s = Math.floor(now_ms / 1_000);
      sample(at_s);
      ticks += 1;
      const last = samples.at(-1);
      const tail = (stream, cells) => ({
        stream,
        columns: [time('time'), ...streams[stream], time('_source_time'), time('_arrived_at'), int('_offset')],
        row: [at_s * 1_000_000, ...cells],
      });
      return [
        tail('host_cpu', ['atlas', last.total, last.total - last.system, last.system, 4]),
        ...last.usage.map((usage, core) => tail('host_core', ['atlas', core, usage])),
        tail('host_load', ['atlas', last.load, last.load * 0.9, last.load * 0.8]),
        tail('host_memory', ['atlas', memory, last.used, memory - last.used, (100 * last.used) / memory]),
      ];
    },
    get ticks() {
      return ticks;
    },
  };
}

function coresNow(last) {
  return {
    columns: [int('core', true), float('usage')],
    rows: new Map(last.usage.map((usage, core) => [String(core), [core, usage]])),
    ordered: true,
  };
}

export function streamInfos(host, offset, refused) {
  const per_s = { host_core: 4, host_process: 2.4 };
  return Object.entries(host.streams).map(([name, columns], index) => ({
    name,
    schema: {
      version: 1,
      fields: columns.map((column) => ({ name: column.name, type: column.type, declared: false })),
    },
    events: 86_400 * (index + 1) + Math.floor(host.ticks * (per_s[name] ?? 1)),
    rejected: index === 3 ? 3 + refused : 0,
    bytes: 4_200_000 * (index + 1),
    first_offset: 1,
    last_offset: offset,
    last_arrived_at: Date.now() * 1_000 - 400_000,
    complete_from: null,
    lag_ms: 0,
  }));
}
