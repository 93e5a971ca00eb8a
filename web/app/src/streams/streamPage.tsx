/** One stream: its fields, its figures, its newest events as they come, and how to send more. */

import { fixed, formatAge, formatDateTime, localZone, unitText } from '@pulseboard/react/format';
import { useEffect, useRef, useState } from 'react';
import { API_URL, type StreamField } from '../shared/api';
import { client, useBeat, useChannel, useSubscription, useSubscriptionStatus } from '../shared/live';
import { BackIcon } from '../shared/rareIcons';
import { routeHref, TopBar } from '../shell';
import { LiveTable, TailRows } from '../table';
import { Command, curlCommand, sampleEvent } from './howToPost';
import { Rejected } from './rejected';
import { sampleSql } from './sampleSql';
import { rateText } from './streamsPage';
import { type StreamRow, useStreams } from './useStreams';

/** How many events a fresh visit starts with. */
const LAST_EVENTS = 100;

export function StreamPage({ name }: { readonly name: string }) {
  const { streams, problem } = useStreams();
  useBeat(1_000);
  const stream = streams?.find((each) => each.name === name) ?? null;
  const missing = streams !== null && stream === null;
  const title = (
    <span className="flex items-center gap-1.5">
      <a href={routeHref({ page: 'streams' })} className="icon-button -ml-1.5" aria-label="All streams">
        <BackIcon size={14} />
      </a>
      <span className="truncate font-mono text-[15px] font-semibold">{name}</span>
    </span>
  );
  return (
    <>
      <TopBar title={title} context={problem ?? (missing ? 'no such stream yet' : describe(stream))} />
      <div className="stream-page">
        <Events name={name} rejected={stream?.rejected ?? 0} />
        <div className="flex min-w-0 flex-col gap-3">
          <Figures stream={stream} />
          <Fields fields={stream?.schema.fields ?? null} missing={missing} />
          <section className="panel">
            <header className="panel-head">
              <h2 className="panel-title">Send an event</h2>
            </header>
            <Command text={curlCommand(API_URL, name, sampleEvent(stream?.schema.fields ?? []))} />
            <a
              className="mt-3 inline-block self-start text-accent hover:underline"
              href={routeHref({ page: 'explore', sql: sampleSql(name) })}
            >
              Ask it in SQL
            </a>
          </section>
        </div>
      </div>
    </>
  );
}

function describe(stream: StreamRow | null): string {
  if (stream === null) {
    return ' ';
  }
  const since = stream.complete_from === null ? null : `complete from ${formatDateTime(stream.complete_from / 1_000)}`;
  return [`schema version ${stream.schema.version}`, since, localZone()].filter(Boolean).join(' · ');
}

function Figures({ stream }: { readonly stream: StreamRow | null }) {
  const newest = stream?.last_arrived_at ?? null;
  const age_ms = newest === null ? null : Math.max(0, client.serverNow_ms() - newest / 1_000);
  const figures: [string, string][] = [
    ['Events', stream === null ? '–' : fixed(stream.events, 0)],
    ['Per second', rateText(stream?.rate ?? null)],
    ['Newest', age_ms === null ? '–' : formatAge(age_ms)],
    ['Refused', stream === null ? '–' : fixed(stream.rejected, 0)],
    ['On disk', stream === null ? '–' : unitText(stream.bytes, 'bytes')],
    ['Behind', stream === null ? '–' : `${stream.lag_ms} ms`],
  ];
  return (
    <section className="panel" aria-label="Figures">
      <dl className="grid grid-cols-3 gap-x-4 gap-y-3">
        {figures.map(([label, value]) => (
          <div key={label}>
            <dt className="text-[12px] text-t3">{label}</dt>
            <dd className="text-[17px] leading-6 font-[600] tracking-[-0.01em]">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Fields({ fields, missing }: { readonly fields: readonly StreamField[] | null; readonly missing: boolean }) {
  return (
    <section className="panel">
      <header className="panel-head">
        <h2 className="panel-title">Fields</h2>
        <span className="panel-hint">{fields === null ? '' : fields.length}</span>
      </header>
      {missing ? <p className="text-t3">The first event brings them.</p> : null}
      <ul className="max-h-[300px] overflow-auto" tabIndex={0} aria-label="Fields">
        {(fields ?? []).map(({ name, type, declared }) => (
          <li
            key={name}
            className="flex h-[30px] items-center justify-between gap-3 border-b border-line last:border-0"
          >
            <span className="truncate font-mono text-[12.5px]">{name}</span>
            <span className="shrink-0 text-t3">
              {type}
              {declared ? ' · declared' : ''}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface EventsProps {
  readonly name: string;
  readonly rejected: number;
}

/** The newest events as they come, and beside them those that were refused, with why. */
function Events({ name, rejected }: EventsProps) {
  const [shown, setShown] = useState<'events' | 'rejected'>('events');
  const subscription = useSubscription([`stream:${name}`], { last: LAST_EVENTS });
  return (
    <section className="panel tail" aria-label="Last events">
      <header className="panel-head">
        <div className="segments">
          <button type="button" className="tab" aria-pressed={shown === 'events'} onClick={() => setShown('events')}>
            Last events
          </button>
          <button
            type="button"
            className="tab"
            aria-pressed={shown === 'rejected'}
            onClick={() => setShown('rejected')}
          >
            Rejected rows{rejected === 0 ? '' : ` · ${fixed(rejected, 0)}`}
          </button>
        </div>
        <span className="panel-hint">newest first</span>
      </header>
      {shown === 'rejected' ? (
        <Rejected stream={name} />
      ) : subscription === null ? null : (
        <TailTable name={name} subscription={subscription} />
      )}
    </section>
  );
}

interface TailTableProps {
  readonly name: string;
  readonly subscription: NonNullable<ReturnType<typeof useSubscription>>;
}

function TailTable({ name, subscription }: TailTableProps) {
  const host = useRef<HTMLDivElement>(null);
  const channel = subscription.channel(`stream:${name}`);
  const status = useSubscriptionStatus(subscription);
  const empty = useChannel(channel, () => channel.kind === 'tail' && channel.tail.rows.length === 0);
  useEffect(() => {
    if (host.current === null || channel.kind !== 'tail') {
      return;
    }
    const table = new LiveTable({ host: host.current, label: 'Last events', zone: undefined });
    const rows = new TailRows(channel.tail);
    table.show(rows, null);
    const stop = channel.listen(() => table.show(rows, null));
    return () => {
      stop();
      table.destroy();
    };
  }, [channel]);
  const refused = status === 'failed' ? [...subscription.errors.values()][0]?.message : undefined;
  return (
    <div className="relative min-h-0 flex-1">
      <div ref={host} className="absolute inset-0" />
      {empty ? <p className="panel-message absolute inset-0">{refused ?? 'The next event shows here.'}</p> : null}
    </div>
  );
}
