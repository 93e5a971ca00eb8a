/** What lies behind a panel: its rows, its query, and how the server keeps it. Opened on demand; asks the server only about the query. */

import type { Subscription } from '@pulseboard/client';
import { fixed, formatAge, formatDuration, unitText } from '@pulseboard/react/format';
import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { API_URL, ApiError, api, type Explanation, type Panel } from '../shared/api';
import { DownloadIcon } from '../shared/icons';
import { client, useBeat } from '../shared/live';
import { CloseIcon } from '../shared/rareIcons';
import { routeHref } from '../shell';
import { Command } from '../streams';
import { KeyedRows, LiveTable } from '../table';
import { downloadCsv } from './export';
import type { PanelPlan } from './plan';
import type { PanelFeed } from './source';

interface InspectProps {
  readonly panel: Panel;
  readonly feed: PanelFeed;
  readonly plan: PanelPlan | null;
  readonly sql: string | null;
  readonly subscription: Subscription | null;
  readonly zone: string | undefined;
  readonly onClose: () => void;
}

const TABS = ['Data', 'SQL', 'State'] as const;

export function Inspect(props: InspectProps) {
  const { panel, feed, onClose } = props;
  const titleId = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const [tab, setTab] = useState<(typeof TABS)[number]>('Data');
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="dialog inspect" aria-labelledby={titleId} onClose={onClose}>
      <header className="dialog-head">
        <h2 id={titleId}>{panel.title}</h2>
        <div className="tabs" role="tablist" aria-label="What of it">
          {TABS.map((each) => (
            <button
              key={each}
              type="button"
              role="tab"
              aria-selected={tab === each}
              className="tab"
              onClick={() => setTab(each)}
            >
              {each}
            </button>
          ))}
        </div>
        <button
          type="button"
          className="icon-button ml-auto"
          aria-label="Download CSV"
          title="Download CSV"
          onClick={() => downloadCsv(feed.table, panel.id)}
        >
          <DownloadIcon size={15} />
        </button>
        <button type="button" className="icon-button" aria-label="Close" onClick={() => dialog.current?.close()}>
          <CloseIcon size={14} />
        </button>
      </header>
      <div className="inspect-body" role="tabpanel" aria-label={tab}>
        {tab === 'Data' ? <Data {...props} /> : tab === 'SQL' ? <Sql {...props} /> : <State {...props} />}
      </div>
    </dialog>
  );
}

function Data({ panel, feed, zone }: InspectProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const units = panel.options?.units ?? {};
    const table = new LiveTable({ host: host.current, label: panel.title, zone, unit: (column) => units[column] });
    let held = feed.table;
    let rows = new KeyedRows(held);
    const stop = feed.listen((changes) => {
      if (held !== feed.table) {
        held = feed.table;
        rows = new KeyedRows(held);
      }
      table.show(rows, changes);
    });
    return () => {
      stop();
      table.destroy();
    };
  }, [panel, feed, zone]);
  return <div ref={host} className="min-h-0 flex-1" />;
}

function Sql({ panel, plan, sql }: InspectProps) {
  if (sql === null) {
    return <p className="text-t2">This panel has no query.</p>;
  }
  const channel = plan?.channel ?? panel.channel;
  const curl = `curl -sN "${API_URL}live/sse?channel=${encodeURIComponent(channel)}"`;
  return (
    <div className="flex flex-col gap-4 overflow-auto">
      <section>
        <h3>Its query{panel.view ? `, the view ${panel.view}` : ''}</h3>
        <Command text={sql} />
        <a className="link" href={routeHref({ page: 'explore', sql })}>
          Open in Explore
        </a>
      </section>
      <section>
        <h3>The same from a terminal, live</h3>
        <Command text={curl} />
      </section>
    </div>
  );
}

function State({ feed, plan, sql, subscription, zone }: InspectProps) {
  useBeat(1_000);
  const { explanation, problem } = useExplanation(sql, zone);
  const state = feed.state;
  const running = explanation?.running ?? null;
  const mode = running?.mode ?? state?.mode;
  const newest = feed.newest_us;
  const age = newest === null ? null : Math.max(0, client.serverNow_ms() - newest / 1_000);
  const rows: readonly (readonly [string, ReactNode])[] = [
    ['Status', state === null ? '–' : `${state.status}${state.reason === undefined ? '' : `: ${state.reason}`}`],
    [
      'Kept',
      mode === undefined ? '–' : mode === 'maintained' ? 'maintained: each event changes it' : 're-run at intervals',
    ],
    ['Why', running?.reason ?? explanation?.reasons.join('; ') ?? problem ?? '…'],
    ['Log position', subscription?.position ?? '–'],
    ['Newest event', age === null ? '–' : age < 1_000 ? 'now' : `${formatAge(age)} ago`],
    [
      'Event to screen',
      client.latency_ms === null ? '–' : `${client.latency_ms.toFixed(1)} ms (median of the last events)`,
    ],
    ['Rows here', fixed(feed.table.size, 0)],
    ['Groups', running === null ? '–' : fixed(running.groups, 0)],
    ['State', running === null ? '–' : unitText(running.state_bytes, 'bytes')],
    ['Events', running === null ? '–' : fixed(running.events, 0)],
    ['Cost per event', running === null ? '–' : `${fixed(running.cost_per_event_ns, 0)} ns`],
    [
      'Late, truncated rows',
      running === null ? '–' : `${fixed(running.late_rows, 0)}, ${fixed(running.truncated_rows, 0)}`,
    ],
    ['Streams', explanation?.streams.join(', ') ?? '–'],
    ['Channel', plan?.channel ?? 'none: the span is over'],
    [
      'Shows',
      plan === null ? '–' : `${formatDuration(plan.range_ms)}${plan.follows ? ', the span chosen' : ', its own span'}`,
    ],
  ];
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function useExplanation(sql: string | null, zone: string | undefined) {
  const [answer, setAnswer] = useState<{ explanation: Explanation | null; problem: string | null }>({
    explanation: null,
    problem: null,
  });
  useEffect(() => {
    let over = false;
    if (sql !== null) {
      api.explain(sql, zone ?? 'UTC').then(
        (explanation) => over || setAnswer({ explanation, problem: null }),
        (error) => over || setAnswer({ explanation: null, problem: error instanceof ApiError ? error.message : '–' }),
      );
    }
    return () => {
      over = true;
    };
  }, [sql, zone]);
  return answer;
}
