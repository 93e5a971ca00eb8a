/** The live answer of a query: a table or a chart that follows it, its plan, and what it may be kept as. */

import type { KeyedChannel } from '@pulseboard/client';
import { fixed, localZone } from '@pulseboard/react/format';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { notice } from '../board';
import { useChannel, useSubscription, useSubscriptionStatus } from '../shared/live';
import { mayEdit } from '../shared/rights';
import { useSession } from '../shared/session';
import { KeyedRows, LiveTable } from '../table';
import { AnswerChart } from './answerChart';
import { Plan, PlanBadge } from './plan';
import { SaveAsPanel, SaveAsView } from './saveDialogs';
import { chartFirst, type Suggestion, suggestChart } from './suggest';
import type { RunningQuery } from './useQuery';

interface ResultProps {
  readonly query: RunningQuery;
  /** The query in the editor is not this one, because it was refused. */
  readonly outdated: boolean;
  /** The server has forgotten the query and has to be told again. */
  readonly onForgotten: () => void;
}

export function Result(props: ResultProps) {
  const subscription = useSubscription([props.query.channel]);
  const channel = subscription?.channel(props.query.channel);
  if (subscription === null || channel?.kind !== 'keyed') {
    return <section className="panel result" aria-label="Answer" />;
  }
  return <LiveResult {...props} subscription={subscription} channel={channel} />;
}

interface LiveResultProps extends ResultProps {
  readonly subscription: NonNullable<ReturnType<typeof useSubscription>>;
  readonly channel: KeyedChannel;
}

const SHOWN = ['Table', 'Chart', 'Plan'] as const;
type Shown = (typeof SHOWN)[number];

function LiveResult({ query, outdated, onForgotten, subscription, channel }: LiveResultProps) {
  useSubscriptionStatus(subscription);
  const refused = subscription.errors.get(query.channel) ?? subscription.errors.get('') ?? null;
  const forgotten = refused?.code === 'unknown_query';
  useEffect(() => {
    if (forgotten) {
      onForgotten();
    }
  }, [forgotten, onForgotten]);
  const chart = useChart(channel);
  const [chosen, setChosen] = useState<Shown | null>(null);
  const [saving, setSaving] = useState<'panel' | 'view' | null>(null);
  const edits = mayEdit(useSession());
  const closeSaving = useCallback(() => setSaving(null), []);
  const shown = chosen ?? (chartFirst(chart) ? 'Chart' : 'Table');
  const state = useChannel(channel, () => channel.state);
  const empty = useChannel(channel, () => channel.loaded && channel.table.size === 0);
  const told = notice({ state, refused: forgotten ? null : refused, age_ms: null, stale_after_ms: null });
  return (
    <section className="panel result" aria-label="Answer" data-dim={outdated}>
      <header className="panel-head result-head">
        <h2 className="panel-title">{outdated ? 'Answer of the query before' : 'Answer'}</h2>
        <Count channel={channel} />
        {told === null ? null : (
          <span className="notice" data-tone={told.tone} title={told.detail}>
            {told.label}
          </span>
        )}
        <span className="flex-1" />
        {outdated || query.explanation === null ? null : (
          <PlanBadge explanation={query.explanation} onOpen={() => setChosen('Plan')} />
        )}
        <div className="segments">
          {SHOWN.map((each) => (
            <button
              key={each}
              type="button"
              className="tab"
              aria-pressed={each === shown}
              disabled={(each === 'Chart' && chart === null) || (each === 'Plan' && query.explanation === null)}
              onClick={() => setChosen(each)}
            >
              {each}
            </button>
          ))}
        </div>
        {outdated || !edits ? null : (
          <>
            <button type="button" className="button" onClick={() => setSaving('panel')}>
              Save as panel
            </button>
            <button type="button" className="button" onClick={() => setSaving('view')}>
              Save as view
            </button>
          </>
        )}
      </header>
      <div className="relative min-h-0 flex-1">
        {shown === 'Plan' && query.explanation !== null ? (
          <Plan explanation={query.explanation} />
        ) : shown === 'Chart' && chart !== null ? (
          <AnswerChart channel={channel} chart={chart} sql={query.sql} />
        ) : (
          <AnswerTable channel={channel} />
        )}
        {shown !== 'Plan' && (empty || (told !== null && !channel.loaded)) ? (
          <p className="panel-message absolute inset-0">
            {told?.detail ?? 'No rows yet. They show here as they come.'}
          </p>
        ) : null}
      </div>
      {saving === 'panel' ? (
        <SaveAsPanel
          sql={query.sql}
          chart={chart}
          drawn={shown === 'Chart' || (shown === 'Plan' && chartFirst(chart))}
          close={closeSaving}
        />
      ) : null}
      {saving === 'view' ? <SaveAsView sql={query.sql} timezone={localZone()} close={closeSaving} /> : null}
    </section>
  );
}

function AnswerTable({ channel }: { readonly channel: KeyedChannel }) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const table = new LiveTable({ host: host.current, label: 'Answer', zone: undefined, stretch: false });
    const rows = new KeyedRows(channel.table);
    const stop = channel.listen((changes) => table.show(rows, changes.replaced ? null : changes));
    return () => {
      stop();
      table.destroy();
    };
  }, [channel]);
  return <div ref={host} className="absolute inset-0" />;
}

function Count({ channel }: { readonly channel: KeyedChannel }) {
  const count = useRef<HTMLSpanElement>(null);
  useEffect(
    () =>
      channel.listen(() => {
        if (count.current !== null) {
          const { size } = channel.table;
          count.current.textContent = `${fixed(size, 0)} ${size === 1 ? 'row' : 'rows'}`;
        }
      }),
    [channel],
  );
  return <span ref={count} className="text-t3" />;
}

/** What the answer can be drawn as: by its columns, and whether its rows are many, which changes seldom. */
function useChart(channel: KeyedChannel): Suggestion | null {
  const text = useChannel(channel, () => JSON.stringify(suggestChart(channel.table.columns, channel.table.size)));
  return useMemo(() => JSON.parse(text) as Suggestion | null, [text]);
}
