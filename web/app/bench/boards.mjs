/**
 * The boards that are measured, and the events that feed them. They are written as files, and posted as anybody would post;
 * nothing in the page knows that it is measured.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export const CORES = 8;
export const LINE_POINTS = 10_000;
export const TABLE_ROWS = 10_000;

const LAST = (seconds) => `time > now() - interval '${seconds} seconds'`;
const OF_EACH = 'SELECT DISTINCT ON (core) core, usage, used, status FROM bench_load ORDER BY core, time DESC';

/** Thirty panels on one wide screen, as many of each kind as a wall has. Every one changes with every post. */
function wall(range_s) {
  const stat = (core) => ({
    type: 'stat',
    h: 2,
    unit: 'percent',
    sql: `SELECT date_trunc('second', time) AS t, avg(usage) AS usage FROM bench_load WHERE core = ${core} AND ${LAST(range_s)} GROUP BY 1`,
    options: { value: 'usage', range: `${range_s}s` },
  });
  const lines = (from) => ({
    type: 'timeseries',
    h: 3,
    unit: 'percent',
    sql: `SELECT date_trunc('second', time) AS t, core, avg(usage) AS usage FROM bench_load WHERE core >= ${from % 4} AND core < ${(from % 4) + 4} AND ${LAST(range_s)} GROUP BY 1, 2`,
    options: { series: 'core', range: `${range_s}s`, ...(from % 3 === 0 ? { style: 'area' } : {}) },
  });
  const table = (by) => ({ type: 'table', h: 3, sql: OF_EACH, options: { columns: ['core', 'usage', by] } });
  const ranking = (s) => ({
    type: 'barlist',
    h: 3,
    sql: `SELECT core, sum(usage) AS usage FROM bench_load WHERE ${LAST(s)} GROUP BY core ORDER BY usage DESC LIMIT 5`,
    options: { label: 'core', value: 'usage' },
  });
  const gauge = (core) => ({
    type: 'gauge',
    h: 3,
    unit: 'percent',
    sql: `SELECT avg(usage) AS usage FROM bench_load WHERE core = ${core} AND ${LAST(10)}`,
    options: { value: 'usage' },
  });
  const heat = {
    type: 'heatmap',
    h: 3,
    unit: 'percent',
    sql: `SELECT date_trunc('second', time) AS t, core, avg(usage) AS usage FROM bench_load WHERE ${LAST(60)} GROUP BY 1, 2`,
    options: { series: 'core', range: '60s', max: 100, min: 0 },
  };
  const states = {
    type: 'statetimeline',
    h: 3,
    sql: `SELECT date_trunc('second', time) AS t, core, max(status) AS status FROM bench_load WHERE core < 4 AND ${LAST(60)} GROUP BY 1, 2`,
    options: { series: 'core', range: '60s', value: 'status' },
  };
  const six = (make) => Array.from({ length: 6 }, (_, index) => make(index));
  const mixed = [table('used'), table('status'), ranking(10), ranking(30), ranking(60), ranking(5)];
  return [...six(stat), ...six(lines), ...six((index) => lines(index + 6)), ...mixed]
    .concat([gauge(0), gauge(1), gauge(2), heat, states, table('used')])
    .map((panel, index) => ({ ...panel, x: (index % 6) * 2, w: 2 }));
}

const linesBoard = [
  {
    type: 'timeseries',
    x: 0,
    w: 12,
    h: 10,
    sql: `SELECT date_trunc('second', time) AS t, avg(a) AS a, avg(b) AS b, avg(c) AS c, avg(d) AS d, avg(e) AS e FROM bench_lines WHERE ${LAST(LINE_POINTS)} GROUP BY 1`,
    options: { range: `${LINE_POINTS}s` },
  },
];

const tableBoard = [
  {
    type: 'table',
    x: 0,
    w: 12,
    h: 12,
    sql: 'SELECT item, count(*) AS orders, sum(total) AS revenue, max(total) AS largest FROM bench_items GROUP BY item',
  },
];

const pixelBoard = [
  { type: 'stat', x: 0, w: 3, h: 2, sql: 'SELECT max(n) AS n FROM bench_pixel', options: { value: 'n' } },
  { type: 'stat', x: 3, w: 3, h: 2, sql: 'SELECT count(*) AS events FROM bench_pixel', options: { value: 'events' } },
  {
    type: 'timeseries',
    x: 0,
    w: 6,
    h: 4,
    sql: `SELECT date_trunc('second', time) AS t, count(*) AS events FROM bench_pixel WHERE ${LAST(120)} GROUP BY 1`,
    options: { range: '2m' },
  },
  { type: 'table', x: 6, w: 6, h: 4, sql: 'SELECT time, n FROM bench_pixel ORDER BY time DESC LIMIT 10' },
];

const BOARDS = {
  bench_wall: wall(120),
  bench_soak: wall(20),
  bench_lines: linesBoard,
  bench_table: tableBoard,
  bench_pixel: pixelBoard,
};

/** Writes all of them into a folder. */
export async function writeBoards(folder) {
  await mkdir(folder, { recursive: true });
  for (const [name, panels] of Object.entries(BOARDS)) {
    await writeFile(join(folder, `${name}.toml`), boardText(name, panels));
  }
}

/** Places panels that name no row below each other, row by row of the grid. */
function boardText(name, panels) {
  let y = 0;
  let tallest = 0;
  const parts = panels.map((panel, index) => {
    if (panel.x === 0) {
      y += tallest;
      tallest = 0;
    }
    tallest = Math.max(tallest, panel.h);
    const { options = {}, ...keys } = { id: `p${index}`, title: `${panel.type} ${index}`, ...panel, y };
    const inline = Object.entries(options).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    const lines = Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    return ['[[panels]]', ...lines, ...(inline.length > 0 ? [`options = { ${inline.join(', ')} }`] : [])].join('\n');
  });
  return [`title = "${name}"`, ...parts].join('\n\n');
}

/** A value that wanders: `at` counts tenths of a second. */
const wave = (tenth, phase, at = tenth / 10) =>
  50 + 30 * Math.sin(at / 7 + phase) + 15 * Math.sin(at / 1.3 + phase * 2);

/** A row for each core at one instant; `back_s` before now if it is of the past. */
export function loadRows(at, back_s = null) {
  return Array.from({ length: CORES }, (_, core) => {
    const usage = Math.max(0, Math.min(100, wave(at, core)));
    const status = usage > 85 ? 'hot' : usage > 40 ? 'busy' : 'idle';
    return { core, usage, used: Math.round(usage * 1e7), status, ...past(back_s) };
  });
}

export function lineRow(at, back_s = null) {
  const [a, b, c, d, e] = [0, 1, 2, 3, 4].map((phase) => wave(at, phase) + phase * 20);
  return { a, b, c, d, e, ...past(back_s) };
}

export function itemRows(count, from) {
  return Array.from({ length: count }, (_, index) => {
    const item = (from + index * 7_919) % TABLE_ROWS;
    return { item: `item ${String(item).padStart(5, '0')}`, total: ((from + index) % 997) / 10 };
  });
}

function past(back_s) {
  return back_s === null ? {} : { time: new Date(Date.now() - back_s * 1_000).toISOString() };
}
