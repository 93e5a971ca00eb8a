/** The live answer of a query: a table that follows it, how many rows, how it is. */

import type { KeyedChannel } from '@pulseboard/client';
import { fixed } from '@pulseboard/react/format';
import { useEffect, useRef } from 'react';
import { notice } from '../board';
import { useChannel, useSubscription, useSubscriptionStatus } from '../shared/live';
import { KeyedRows, LiveTable } from '../table';
import { ExplainBadge } from './explainBadge';
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

function LiveResult({ query, outdated, onForgotten, subscription, channel }: LiveResultProps) {
  const host = useRef<HTMLDivElement>(null);
  const count = useRef<HTMLSpanElement>(null);
  useSubscriptionStatus(subscription);
  const refused = subscription.errors.get(query.channel) ?? subscription.errors.get('') ?? null;
  const forgotten = refused?.code === 'unknown_query';
  useEffect(() => {
    if (forgotten) {
      onForgotten();
    }
  }, [forgotten, onForgotten]);
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const table = new LiveTable({ host: host.current, label: 'Answer', zone: undefined, stretch: false });
    const rows = new KeyedRows(channel.table);
    const stop = channel.listen((changes) => {
      table.show(rows, changes.replaced ? null : changes);
      if (count.current !== null) {
        const { size } = channel.table;
        count.current.textContent = `${fixed(size, 0)} ${size === 1 ? 'row' : 'rows'}`;
      }
    });
    return () => {
      stop();
      table.destroy();
    };
  }, [channel]);
  const state = useChannel(channel, () => channel.state);
  const empty = useChannel(channel, () => channel.loaded && channel.table.size === 0);
  const told = notice({ state, refused: forgotten ? null : refused, age_ms: null, stale_after_ms: null });
  return (
    <section className="panel result" aria-label="Answer" data-dim={outdated}>
      <header className="panel-head">
        <h2 className="panel-title">{outdated ? 'Answer of the query before' : 'Answer'}</h2>
        <span ref={count} className="text-t3" />
        {told === null ? null : (
          <span className="notice" data-tone={told.tone} title={told.detail}>
            {told.label}
          </span>
        )}
        <span className="flex-1" />
        {outdated || query.explanation === null ? null : <ExplainBadge explanation={query.explanation} />}
      </header>
      <div className="relative min-h-0 flex-1">
        <div ref={host} className="absolute inset-0" />
        {empty || (told !== null && !channel.loaded) ? (
          <p className="panel-message absolute inset-0">
            {told?.detail ?? 'No rows yet. They show here as they come.'}
          </p>
        ) : null}
      </div>
    </section>
  );
}
