/** A panel's frame: title, legend or hint, what is wrong if something is, and the body that draws itself. */

import type { KeyedChannel, Subscription } from '@pulseboard/client';
import { type ComponentType, type CSSProperties, useId, useState } from 'react';
import type { Panel as PanelInfo, PanelType } from '../shared/api';
import { ClockIcon, HourglassIcon, WarningIcon } from '../shared/icons';
import { client, useBeat, useChannel, useSubscriptionStatus } from '../shared/live';
import { BarsPanel } from './barsPanel';
import { type Notice, notice, parseSpan } from './notice';
import { StatPanel } from './statPanel';
import { TablePanel } from './tablePanel';
import { TimeseriesPanel } from './timeseriesPanel';

export interface PanelBodyProps {
  readonly panel: PanelInfo;
  readonly channel: KeyedChannel;
  readonly zone: string | undefined;
  /** Where a legend may be written; null until it is there. */
  readonly legend: HTMLElement | null;
}

const BODIES: Record<PanelType, ComponentType<PanelBodyProps>> = {
  stat: StatPanel,
  timeseries: TimeseriesPanel,
  bars: BarsPanel,
  table: TablePanel,
};

/** From this many of twelve columns on, a panel keeps the whole width when the page gets narrow. */
const WIDE = 7;

interface PanelProps {
  readonly panel: PanelInfo;
  readonly subscription: Subscription;
  readonly zone: string | undefined;
  readonly paused: boolean;
}

export function Panel({ panel, subscription, zone, paused }: PanelProps) {
  const titleId = useId();
  const [legend, setLegend] = useState<HTMLElement | null>(null);
  const channel = subscription.channel(panel.channel);
  useSubscriptionStatus(subscription);
  const state = useChannel(channel, () => channel.state);
  const loaded = useChannel(channel, () => channel.loaded);
  const size = useChannel(channel, () => (channel.kind === 'keyed' ? Math.min(1, channel.table.size) : 0));
  useBeat(1_000);
  const refused = subscription.errors.get(panel.channel) ?? subscription.errors.get('') ?? null;
  const flows = !paused && client.connection.status === 'open';
  const shown_us = state?.as_of ?? channel.newest_us;
  const age_ms = shown_us === null || !flows ? null : Math.max(0, client.serverNow_ms() - shown_us / 1_000);
  const told = notice({ state, refused, age_ms, stale_after_ms: parseSpan(panel.stale_after) });
  const Body = BODIES[panel.type];
  const place = { '--x': panel.x + 1, '--y': panel.y + 1, '--w': panel.w, '--h': panel.h } as CSSProperties;
  return (
    <section
      className="panel"
      data-type={panel.type}
      data-wide={panel.w >= WIDE}
      style={place}
      aria-labelledby={titleId}
    >
      <header className="panel-head">
        <h2 id={titleId} className="panel-title" title={panel.sql ?? panel.view ?? undefined}>
          {panel.title}
        </h2>
        <div ref={setLegend} className="legend" />
        {told === null ? <Hint text={panel.options?.hint} /> : <NoticeLabel notice={told} />}
      </header>
      {channel.kind === 'keyed' && loaded && Body !== undefined ? (
        <div className="panel-body" data-dim={told?.dims === true}>
          <Body panel={panel} channel={channel} zone={zone} legend={legend} />
          {told?.tone === 'critical' ? <p className="panel-reason">{told.detail}</p> : null}
          {size === 0 && panel.type !== 'stat' ? <Message text={told?.detail ?? 'No rows right now'} /> : null}
        </div>
      ) : (
        <Unloaded panel={panel} notice={told} />
      )}
    </section>
  );
}

const ICONS = { clock: ClockIcon, warning: WarningIcon, wait: HourglassIcon };

function Hint({ text }: { text: string | undefined }) {
  return text === undefined ? null : <span className="panel-hint">{text}</span>;
}

function NoticeLabel({ notice }: { notice: Notice }) {
  const Icon = ICONS[notice.icon];
  return (
    <span className="notice" data-tone={notice.tone} title={notice.detail}>
      <Icon size={12} />
      {notice.label}
    </span>
  );
}

/** Nothing to draw yet: a skeleton on the way, or the reason in one line. */
function Unloaded({ panel, notice }: { panel: PanelInfo; notice: Notice | null }) {
  if (BODIES[panel.type] === undefined) {
    return <Message text={`this version draws no panel of type ${panel.type}`} />;
  }
  if (notice === null) {
    return <div className="skeleton" data-type={panel.type} aria-hidden="true" />;
  }
  return panel.type === 'stat' ? (
    <div className="panel-body">
      <div className="stat-value">–</div>
      <div className="line-clamp-2 text-[12px] leading-[18px] text-t3">{notice.detail}</div>
    </div>
  ) : (
    <Message text={notice.detail} />
  );
}

function Message({ text }: { text: string }) {
  return <p className="panel-message">{text}</p>;
}
