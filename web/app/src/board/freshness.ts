/**
 * From which age on a panel's data counts as old: the panel's own word, else three times the beat of the source that feeds it, else never.
 *
 * Quiet is not stale: a stream that nobody promised anything of may be silent for as long as it likes.
 */

import type { Panel, SourceInfo } from '../shared/api';
import { parseSpan } from './notice';

const BEATS = 3;

export function staleAfter_ms(panel: Panel, sql: string | null, sources: readonly SourceInfo[]): number | null {
  const said = parseSpan(panel.stale_after);
  if (said !== null) {
    return said;
  }
  const streams = streamsOf(sql);
  const beats = sources.flatMap(({ name, every_ms }) => {
    const feeds = streams.some((stream) => stream === name || stream.startsWith(`${name}_`));
    return every_ms !== undefined && feeds ? [every_ms] : [];
  });
  // The slowest of those that feed it: a join of a quick and a slow stream is as new as the slow one lets it be.
  return beats.length === 0 ? null : BEATS * Math.max(...beats);
}

/** The names that stand behind FROM and JOIN. */
function streamsOf(sql: string | null): string[] {
  return [...(sql ?? '').matchAll(/\b(?:from|join)\s+"?([a-z_][\w.-]*)/gi)].map(([, name = '']) => name);
}
