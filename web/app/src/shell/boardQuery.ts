/**
 * What a link to a board says besides its name: span, zone, choices, which panel alone, wall screen. A colleague who opens it sees the same.
 *
 * Only reads and writes text. What is not said is the board's own default and stays out of the link.
 */

import type { TimeRange } from '../time';

export interface BoardQuery {
  /** The span chosen; null for each panel's own. */
  readonly range: TimeRange | null;
  /** The zone chosen; null for the board's. */
  readonly zone: string | null;
  /** Choices of variables by name. */
  readonly variables: { readonly [name: string]: string };
  /** The panel that is shown alone. */
  readonly panel: string | null;
  readonly kiosk: boolean;
  /** The theme that the link insists on. */
  readonly theme: string | null;
}

export const NO_QUERY: BoardQuery = { range: null, zone: null, variables: {}, panel: null, kiosk: false, theme: null };

const VARIABLE = 'var-';

export function parseBoardQuery(text: string): BoardQuery {
  const query = new URLSearchParams(text);
  const from = query.get('from');
  const variables = [...query].filter(([name]) => name.startsWith(VARIABLE));
  return {
    range: from === null ? null : { from, to: query.get('to') ?? 'now' },
    zone: query.get('tz'),
    variables: Object.fromEntries(variables.map(([name, value]) => [name.slice(VARIABLE.length), value])),
    panel: query.get('viewPanel'),
    kiosk: query.has('kiosk') && query.get('kiosk') !== 'false',
    theme: query.get('theme'),
  };
}

export function boardQueryText(board: BoardQuery): string {
  const query = new URLSearchParams();
  if (board.range !== null) {
    query.set('from', board.range.from);
    query.set('to', board.range.to);
  }
  const rest: readonly [string, string | null][] = [
    ['tz', board.zone],
    ...Object.entries(board.variables).map(([name, value]): [string, string] => [`${VARIABLE}${name}`, value]),
    ['viewPanel', board.panel],
    ['kiosk', board.kiosk ? 'true' : null],
    ['theme', board.theme],
  ];
  for (const [name, value] of rest) {
    if (value !== null) {
      query.set(name, value);
    }
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
