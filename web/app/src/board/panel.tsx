/**
 * A panel's frame: title, legend or hint, what is wrong if something is, its menu, and the body that draws itself.
 *
 * The frame is told everything; `LivePanel` finds it out from a feed. Neither touches data.
 */

import type { ErrorBody } from '@pulseboard/client';
import { type ReactNode, Suspense, useCallback, useId, useState, useSyncExternalStore } from 'react';
import type { Panel as PanelInfo } from '../shared/api';
import { Boundary } from '../shared/boundary';
import { ClockIcon, HourglassIcon, WarningIcon } from '../shared/icons';
import { client, useBeat } from '../shared/live';
import { LateRows } from './lateRows';
import { type Notice, notice, strayColumn } from './notice';
import { BODIES, type PanelBodyProps, type PanelSpan } from './panelBody';
import type { PanelFeed, PanelSource } from './source';

interface PanelFrameProps {
  readonly panel: PanelInfo;
  readonly source: PanelSource | null;
  readonly notice: Notice | null;
  readonly zone: string | undefined;
  readonly span: PanelSpan;
  readonly legends?: PanelBodyProps['legends'];
  readonly related?: PanelBodyProps['related'];
  /** Whether there is anything to draw, and whether it is no rows at all. */
  readonly content: 'none' | 'empty' | 'rows';
  /** A word at the right where there is nothing else to say. */
  readonly hint?: string | undefined;
  readonly menu?: ReactNode;
}

const NOTHING_RELATED = () => null;

/** Types whose picture says by itself that there is nothing. */
const SAYS_NOTHING = new Set(['stat', 'gauge', 'percentage', 'text']);

export function PanelFrame(props: PanelFrameProps) {
  const { panel, source, notice: told, zone, span, legends = 'short', related, content, hint, menu } = props;
  const titleId = useId();
  const [legend, setLegend] = useState<HTMLElement | null>(null);
  const Body = BODIES[panel.type];
  return (
    <section className="panel" data-type={panel.type} aria-labelledby={titleId}>
      <header className="panel-head">
        <h2 id={titleId} className="panel-title" title={panel.title}>
          {panel.title}
        </h2>
        <div ref={setLegend} className="legend" />
        {told === null ? <Hint text={hint ?? panel.options?.hint} /> : <NoticeLabel notice={told} />}
        {menu}
      </header>
      {source !== null && content !== 'none' && Body !== undefined ? (
        <div className="panel-body" data-dim={told?.dims === true}>
          <Boundary>
            <Suspense fallback={<Skeleton type={panel.type} />}>
              <Body
                panel={panel}
                source={source}
                zone={zone}
                span={span}
                legend={legend}
                legends={legends}
                related={related ?? NOTHING_RELATED}
              />
            </Suspense>
          </Boundary>
          {told?.tone === 'critical' ? <p className="panel-reason">{told.detail}</p> : null}
          {content === 'empty' && !SAYS_NOTHING.has(panel.type) ? (
            <Message text={told?.detail ?? 'No rows right now'} />
          ) : null}
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
      <span className="truncate">{notice.label}</span>
    </span>
  );
}

/** Nothing to draw yet: a skeleton on the way, or the reason in one line. */
function Unloaded({ panel, notice }: { panel: PanelInfo; notice: Notice | null }) {
  if (BODIES[panel.type] === undefined) {
    return <Message text={`this version draws no panel of type ${panel.type}`} />;
  }
  if (notice === null) {
    return <Skeleton type={panel.type} />;
  }
  return panel.type === 'stat' ? (
    <div className="panel-body">
      <div className="stat-value">–</div>
      <div className="stat-detail line-clamp-2">{notice.detail}</div>
    </div>
  ) : (
    <Message text={notice.detail} />
  );
}

function Skeleton({ type }: { readonly type: string }) {
  return <div className="skeleton" data-type={type} aria-hidden="true" />;
}

function Message({ text }: { text: string }) {
  return <p className="panel-message">{text}</p>;
}

/** Something slow about what a panel draws from. Renders only when `read` gives something else. */
export function useSource<T>(source: PanelSource, read: () => T): T {
  return useSyncExternalStore(
    useCallback((changed) => source.listen(() => changed()), [source]),
    read,
  );
}

export interface LivePanelProps {
  readonly panel: PanelInfo;
  readonly feed: PanelFeed;
  readonly zone: string | undefined;
  readonly span: PanelSpan;
  readonly legends: PanelBodyProps['legends'];
  readonly related: PanelBodyProps['related'];
  /** Why the server refused its channel. */
  readonly refused: ErrorBody | null;
  /** Whether ages count: not while the board stands still or shows the past. */
  readonly ages: boolean;
  readonly staleAfter_ms: number | null;
  readonly hint: string | undefined;
  readonly menu: ReactNode;
}

export function LivePanel(props: LivePanelProps) {
  const { panel, feed, zone, span, legends, related, refused, ages, staleAfter_ms, hint, menu } = props;
  const state = useSource(feed, () => feed.state);
  const loaded = useSource(feed, () => feed.loaded);
  const current = useSource(feed, () => feed.current);
  const size = useSource(feed, () => Math.min(1, feed.table.size));
  const askRefused = useSource(feed, () => feed.refused);
  const stray = useSource(feed, () => strayColumn(panel.options, feed.table.columns));
  const [late] = useState(() => new LateRows());
  const look = () => {
    const shown_us = state?.as_of ?? feed.newest_us;
    const flows = ages && client.connection.status === 'open';
    const age_ms = shown_us === null || !flows ? null : Math.max(0, client.serverNow_ms() - shown_us / 1_000);
    const late_rows = late.fresh(state === null ? null : (state.late_rows ?? 0), Date.now());
    return notice({ state, refused: refused ?? askRefused, age_ms, stale_after_ms: staleAfter_ms, late_rows, stray });
  };
  // Only when there is something else to say: a wall has many panels.
  useBeat(1_000, () => JSON.stringify(look()));
  if (panel.type === 'text') {
    const text = { panel, zone, span, hint, menu, source: feed, notice: null } as const;
    return <PanelFrame {...text} content="rows" />;
  }
  const told = look();
  const waits = !current && loaded && told === null;
  return (
    <PanelFrame
      panel={panel}
      source={feed}
      notice={waits ? LOADING : told}
      zone={zone}
      span={span}
      legends={legends}
      related={related}
      content={loaded ? (size === 0 ? 'empty' : 'rows') : 'none'}
      hint={hint}
      menu={menu}
    />
  );
}

/** What is on screen is of what was chosen before; it stays until there is something to replace it. */
const LOADING: Notice = {
  tone: 'quiet',
  icon: 'wait',
  label: 'loading',
  detail: 'the new span is on its way',
  dims: true,
};
