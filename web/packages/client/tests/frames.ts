/** Frames and snapshots for tests that play the server themselves. */

/** A frame as the server would send it, with what a test does not care about filled in. */
export function frame(sub: number, cursor: string, changes: object[], more: object = {}): object {
  return {
    type: 'frame',
    sub,
    cursor,
    position: `p-${cursor}`,
    time: 1_700_000_000_000_000,
    newest: null,
    changes,
    ...more,
  };
}

export function keyedSnapshot(rows: Record<string, (string | number | null)[]>, order?: string[]): object {
  return {
    columns: [
      { name: 'k', type: 'string', key: true },
      { name: 'n', type: 'int' },
      { name: 'm', type: 'int' },
    ],
    keys: Object.keys(rows),
    rows: Object.values(rows),
    ...(order === undefined ? {} : { order }),
  };
}
