/** The one table that a run prints: what was measured, floor and goal, and whether they are met. */

/** `floor` and `goal` are limits that a value must not be above. */
export class Report {
  #rows = [];

  add(what, value, unit, { floor, goal, digits = 1, note = '' } = {}) {
    const text = (limit) => (limit === undefined ? '' : `${limit.toFixed(digits)} ${unit}`);
    const measured = `${value.toFixed(digits)} ${unit}${note === '' ? '' : ` (${note})`}`;
    const row = [what, measured, text(floor), text(goal), verdict(value, floor, goal)];
    this.#rows.push(row);
    console.log(`# ${what}: ${measured}`);
  }

  /** As Markdown, its columns in line. */
  get text() {
    const all = [['what', 'measured', 'floor', 'goal', 'met?'], ...this.#rows];
    const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
    const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
    const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
    const [head, ...rows] = all.map(line);
    return [head, rule, ...rows].join('\n');
  }
}

function verdict(value, floor, goal) {
  if (goal === undefined && floor === undefined) {
    return '';
  }
  if (goal !== undefined && value <= goal) {
    return 'goal';
  }
  const limit = floor ?? goal;
  return value <= limit ? 'floor' : `no: ${(value / limit).toFixed(2)} x the ${floor === undefined ? 'goal' : 'floor'}`;
}
