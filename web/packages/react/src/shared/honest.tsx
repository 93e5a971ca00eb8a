'use client';
/**
 * How good what a component shows is: what is wrong, how old it is, whether to dim it, and the mark that says so.
 *
 * Zero, unknown and broken never look alike: zero is a number, unknown is a dash, broken is a warning with its reason.
 */

import type { ReactNode } from 'react';
import { formatAge } from '../format/format.js';
import { useNow } from './beat.js';
import { ClockIcon, OfflineIcon, WarningIcon } from './icons.js';

/** What every component can be told about its data. All of it is optional: without a word data counts as live. */
export interface LiveProps {
  /** Whether data still comes. False dims what is shown: it is the last known. Default true. */
  readonly isConnected?: boolean | undefined;
  /** Whether the first data is on its way. */
  readonly isLoading?: boolean | undefined;
  /** When the data is from, wall-clock ms. */
  readonly asOf_ms?: number | null | undefined;
  /** From which age on the data counts as old. Default never: quiet is not stale. */
  readonly staleAfter_ms?: number | null | undefined;
  /** Why there is no data, or none that is newer, for a person. */
  readonly error?: string | null | undefined;
}

export type Tone = 'quiet' | 'warning' | 'critical';

export interface Notice {
  readonly tone: Tone;
  readonly icon: 'clock' | 'offline' | 'warning';
  /** A word or two. */
  readonly label: string;
  /** The whole sentence. */
  readonly detail: string;
  readonly dims: boolean;
}

/** What there is to say about the data; null while all is well. */
export function useNotice(live: LiveProps, hasData: boolean): Notice | null {
  const { isConnected = true, asOf_ms = null, staleAfter_ms = null, error = null } = live;
  const ages = hasData && asOf_ms !== null && (staleAfter_ms !== null || !isConnected || error !== null);
  const now_ms = useNow(ages);
  const age_ms = now_ms === null || asOf_ms === null ? null : Math.max(0, now_ms - asOf_ms);
  const age = age_ms === null ? null : formatAge(age_ms);
  if (error !== null) {
    const label = hasData && age !== null ? `${age} old` : 'error';
    return { tone: 'critical', icon: 'warning', label, detail: error, dims: hasData };
  }
  if (!isConnected) {
    const detail = age === null ? 'disconnected: the last known data' : `disconnected: the last known data, ${age} old`;
    return { tone: 'quiet', icon: 'offline', label: age ?? 'offline', detail, dims: true };
  }
  if (age_ms !== null && staleAfter_ms !== null && age_ms > staleAfter_ms) {
    return { tone: 'warning', icon: 'clock', label: `${age} old`, detail: `no newer data for ${age}`, dims: true };
  }
  return null;
}

const ICONS = { clock: ClockIcon, offline: OfflineIcon, warning: WarningIcon };

export function NoticeMark({ notice }: { readonly notice: Notice | null }) {
  if (notice === null) {
    return null;
  }
  const Icon = ICONS[notice.icon];
  return (
    <span className="pb-notice" data-tone={notice.tone} title={notice.detail}>
      <Icon size={12} />
      {notice.label}
    </span>
  );
}

export interface BodyProps {
  readonly live: LiveProps;
  readonly notice: Notice | null;
  readonly hasData: boolean;
  /** What is said when the answer is that there is nothing. */
  readonly empty?: string;
  /** Its content may be taller than its place: it is reached and scrolled by keys. */
  readonly scrolls?: boolean;
  readonly children: ReactNode;
}

/** The place of the data: the data, dimmed if it is old; else what is wrong, or that it is on its way. Never blank. */
export function HonestBody({ live, notice, hasData, empty = 'no data', scrolls = false, children }: BodyProps) {
  if (hasData) {
    return (
      <div className="pb-body" data-dim={notice?.dims === true} tabIndex={scrolls ? 0 : undefined}>
        {children}
      </div>
    );
  }
  if (notice?.tone === 'critical') {
    return (
      <p className="pb-message" data-tone="critical" role="status">
        <WarningIcon size={16} />
        {notice.detail}
      </p>
    );
  }
  if (live.isLoading === true) {
    return <div className="pb-skeleton" aria-hidden="true" />;
  }
  return (
    <p className="pb-message" role="status">
      {notice?.detail ?? empty}
    </p>
  );
}

/** The classes of a component and those it was given. */
export function classes(...names: readonly (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(' ');
}
