/** What a panel says beside its data: in a word or two, with the reason at hand. */

import type { ErrorBody, ViewState } from '@pulseboard/client';
import { fixed, formatAge } from '@pulseboard/react/format';
import type { PanelOptions } from '../shared/api';

export type Tone = 'quiet' | 'warning' | 'critical';

export interface Notice {
  readonly tone: Tone;
  readonly icon: 'clock' | 'warning' | 'wait';
  /** The word or two. */
  readonly label: string;
  /** One line: why, and what to do where there is something to do. */
  readonly detail: string;
  /** Whether the data on screen is not what it should be and is dimmed. */
  readonly dims: boolean;
}

export interface Facts {
  readonly state: ViewState | null;
  /** Why the server refused the channel. */
  readonly refused: ErrorBody | null;
  /** How old the newest event in the data is; null if unknown. */
  readonly age_ms: number | null;
  /** How many rows came too late lately. */
  readonly late_rows?: number;
  /** From which age on the data counts as old; null for never. */
  readonly stale_after_ms: number | null;
  /** What the panel asks for and the rows do not have. */
  readonly stray?: string | null;
}

/** The options that name a column. */
const NAMING = ['value', 'time', 'series', 'label', 'until', 'compare', 'comparison'] as const;

/** Which column a panel's options name that is not there, in a sentence; null if all are, or if nothing is known yet. */
export function strayColumn(
  options: PanelOptions | null | undefined,
  columns: readonly { readonly name: string }[],
): string | null {
  const names = columns.map(({ name }) => name);
  const stray = NAMING.map((option) => options?.[option]).find((name) => name != null && !names.includes(name));
  return stray == null || names.length === 0 ? null : `no column ${stray}; there are ${names.join(', ')}`;
}

const NO_NEWER = 'no newer events have come';
const REBUILT = 'being rebuilt from the log';

/** The one thing to say; null if all is well. */
export function notice(facts: Facts): Notice | null {
  const { state, refused, age_ms, stale_after_ms, late_rows = 0, stray = null } = facts;
  if (refused !== null) {
    return { tone: 'critical', icon: 'warning', label: 'refused', detail: refused.message, dims: true };
  }
  if (stray !== null) {
    return { tone: 'critical', icon: 'warning', label: 'no column', detail: stray, dims: false };
  }
  const said = state === null ? null : noticeOfState(state, age_ms, late_rows);
  if (said !== null && said.tone !== 'quiet') {
    return said;
  }
  if (age_ms !== null && stale_after_ms !== null && age_ms > stale_after_ms) {
    return { tone: 'warning', icon: 'clock', label: `${formatAge(age_ms)} old`, detail: NO_NEWER, dims: true };
  }
  return said;
}

function noticeOfState(state: ViewState, age_ms: number | null, late_rows: number): Notice | null {
  const reason = state.reason ?? '';
  const age = age_ms === null ? state.status : `${formatAge(age_ms)} old`;
  switch (state.status) {
    case 'error':
      return { tone: 'critical', icon: 'warning', label: 'error', detail: reason || 'the query failed', dims: true };
    case 'waiting':
      return { tone: 'quiet', icon: 'wait', label: 'waiting', detail: reason || 'for its stream', dims: false };
    case 'backfilling':
      return { tone: 'quiet', icon: 'wait', label: progressLabel(state), detail: REBUILT, dims: false };
    case 'stale':
      return { tone: 'warning', icon: 'clock', label: age, detail: reason || 'what feeds it is away', dims: true };
    case 'cached':
      return {
        tone: 'warning',
        icon: 'clock',
        label: `cached, ${age}`,
        detail: reason || 'the last known answer',
        dims: true,
      };
    case 'partial':
      return {
        tone: 'warning',
        icon: 'warning',
        label: 'partial',
        detail: reason || 'some sources are missing',
        dims: false,
      };
    case 'truncated':
      return {
        tone: 'warning',
        icon: 'warning',
        label: state.truncated_rows === undefined ? 'truncated' : `${fixed(state.truncated_rows, 0)} truncated`,
        detail: reason || 'a limit was hit',
        dims: false,
      };
    case 'rerun':
      return {
        tone: 'quiet',
        icon: 'wait',
        label: 're-run',
        detail: reason || 'asked again at intervals',
        dims: false,
      };
    case 'live':
      return lateness(late_rows);
  }
}

/** Late rows are not in the numbers, and nothing is wrong with the numbers: a quiet word. */
function lateness(late_rows: number): Notice | null {
  if (late_rows === 0) {
    return null;
  }
  const detail = 'came when they were older than the window, and are not counted';
  const rows = late_rows === 1 ? '1 late row' : `${fixed(late_rows, 0)} late rows`;
  return { tone: 'quiet', icon: 'clock', label: rows, detail, dims: false };
}

function progressLabel({ progress }: ViewState): string {
  if (progress === undefined || progress.total === 0) {
    return 'rebuilding';
  }
  return `rebuilding ${Math.floor((100 * progress.done) / progress.total)} %`;
}

/** Reads `5s`, `500ms`, `2m`, `1h`; null if it is none of these. */
export function parseSpan(text: string | null | undefined): number | null {
  const found = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text ?? '');
  const unit_ms = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[found?.[2] ?? ''];
  return found === null || unit_ms === undefined ? null : Number(found[1]) * unit_ms;
}
