'use client';
/** Alerts, the worst and newest first: what, why, since when. Those that ended stay below, quieter. */

import type { CSSProperties, ReactNode } from 'react';
import { formatAge, formatClock, unitText } from '../format/format.js';
import { useNow } from '../shared/beat.js';
import { useLocale, useScope } from '../shared/context.js';
import { classes, HonestBody, type LiveProps, NoticeMark, useNotice } from '../shared/honest.js';
import { CheckIcon, CriticalIcon, InfoIcon, WarningIcon } from '../shared/icons.js';

export type Severity = 'info' | 'warning' | 'critical';

export interface AlertItem {
  readonly id: string;
  readonly severity: Severity;
  /** The rule's name. */
  readonly type?: string | undefined;
  readonly metric?: string | undefined;
  readonly message: string;
  readonly value?: number | null | undefined;
  readonly threshold?: number | null | undefined;
  readonly unit?: string | undefined;
  /** When it began to fire, wall-clock ms; null if that is not known. */
  readonly since_ms: number | null;
  /** When it ended; null while it fires, NaN if it ended nobody knows when. */
  readonly endedAt_ms?: number | null | undefined;
}

export interface AlertListProps extends LiveProps {
  /** Null while nothing is known; an empty list is good news. */
  readonly alerts: readonly AlertItem[] | null | undefined;
  readonly title?: string | undefined;
  /** How many are shown. Default 20. */
  readonly limit?: number | undefined;
  readonly onSelect?: ((alert: AlertItem) => void) | undefined;
  readonly onDismiss?: ((alert: AlertItem) => void) | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

const DEFAULT_LIMIT = 20;
const RANK: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };
const ICONS = { info: InfoIcon, warning: WarningIcon, critical: CriticalIcon };

/** What fires before what ended, the worst first, the newest first. */
export function sortAlerts(alerts: readonly AlertItem[]): readonly AlertItem[] {
  const ended = (alert: AlertItem) => (fires(alert) ? 0 : 1);
  return [...alerts].sort(
    (a, b) => ended(a) - ended(b) || (fires(a) ? RANK[a.severity] - RANK[b.severity] : 0) || began(b) - began(a),
  );
}

/** One that fires since nobody knows when is the oldest. */
function began({ since_ms }: AlertItem): number {
  return since_ms ?? 0;
}

function fires({ endedAt_ms }: AlertItem): boolean {
  return endedAt_ms === null || endedAt_ms === undefined;
}

export function AlertList(props: AlertListProps) {
  const { alerts, title, limit = DEFAULT_LIMIT, className, style } = props;
  const hasData = alerts !== null && alerts !== undefined && alerts.length > 0;
  const notice = useNotice(props, hasData);
  const sorted = sortAlerts(alerts ?? []);
  const firing = sorted.filter(fires).length;
  const empty = alerts === null || alerts === undefined ? 'no data yet' : 'all quiet';
  return (
    <section className={classes('pb-alerts', className)} style={style} aria-label={title ?? 'alerts'}>
      {title === undefined && notice === null ? null : (
        <header className="pb-head">
          <h3 className="pb-title">{title}</h3>
          {hasData ? <span className="pb-hint">{firing === 0 ? 'none firing' : `${firing} firing`}</span> : null}
          <NoticeMark notice={notice} />
        </header>
      )}
      <HonestBody live={props} notice={notice} hasData={hasData} empty={empty} scrolls>
        <ul className="pb-alert-list">
          {sorted.slice(0, limit).map((alert) => (
            <Alert key={alert.id} alert={alert} list={props} />
          ))}
        </ul>
        {sorted.length > limit ? <p className="pb-more">{sorted.length - limit} more</p> : null}
      </HonestBody>
    </section>
  );
}

function firingFor({ since_ms }: AlertItem, now_ms: number | null): string | null {
  if (now_ms === null || since_ms === null) {
    return null;
  }
  return `for ${formatAge(now_ms - since_ms).replace('now', 'a moment')}`.replaceAll(' ', '\u00a0');
}

function endedAt({ endedAt_ms }: AlertItem, timezone: string | undefined): string {
  return endedAt_ms == null || Number.isNaN(endedAt_ms) ? 'ended' : `ended ${formatClock(endedAt_ms, timezone)}`;
}

function Alert({ alert, list }: { readonly alert: AlertItem; readonly list: AlertListProps }) {
  const locale = useLocale();
  const { timezone } = useScope();
  const isFiring = fires(alert);
  const now_ms = useNow(isFiring);
  const Icon = isFiring ? ICONS[alert.severity] : CheckIcon;
  const figures = [
    alert.value === null || alert.value === undefined
      ? null
      : unitText(alert.value, alert.unit ?? '', undefined, undefined, locale),
    alert.threshold === null || alert.threshold === undefined
      ? null
      : `limit ${unitText(alert.threshold, alert.unit ?? '', undefined, undefined, locale)}`,
  ];
  const when = isFiring ? firingFor(alert, now_ms) : endedAt(alert, timezone);
  const body: ReactNode = (
    <>
      <Icon size={15} />
      <span className="pb-alert-text">
        <span className="pb-alert-message">{alert.message}</span>
        <span className="pb-alert-detail">
          {[alert.severity, alert.type, alert.metric, ...figures, when]
            .filter((part) => part !== null && part !== undefined)
            .join(' · ')}
        </span>
      </span>
    </>
  );
  const { onSelect, onDismiss } = list;
  return (
    <li className="pb-alert" data-severity={alert.severity} data-firing={isFiring}>
      {onSelect === undefined ? (
        <div className="pb-alert-body">{body}</div>
      ) : (
        <button type="button" className="pb-alert-body" onClick={() => onSelect(alert)}>
          {body}
        </button>
      )}
      {onDismiss === undefined ? null : (
        <button
          type="button"
          className="pb-alert-dismiss"
          aria-label={`dismiss: ${alert.message}`}
          onClick={() => onDismiss(alert)}
        >
          ×
        </button>
      )}
    </li>
  );
}
