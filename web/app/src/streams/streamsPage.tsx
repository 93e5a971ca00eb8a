/** All streams: what is in them, how fast they run, how fresh they are. */

import { fixed, formatAge, formatUnit, unitText } from '@pulseboard/react/format';
import { API_URL } from '../shared/api';
import { client, useBeat } from '../shared/live';
import { routeHref, TopBar } from '../shell';
import { Command, curlCommand } from './howToPost';
import { type StreamRow, useStreams } from './useStreams';

/** What a stranger may send first. */
const FIRST_EVENT = { item: 'Flask 0.7 l', total: 24.5 };

export function StreamsPage() {
  const { streams, problem } = useStreams();
  useBeat(1_000);
  const count = streams === null ? ' ' : `${streams.length} ${streams.length === 1 ? 'stream' : 'streams'}`;
  return (
    <>
      <TopBar title="Streams" context={problem === null ? count : `${count} · last known, ${problem}`} />
      {streams === null ? (
        problem === null ? null : (
          <p className="page-message">{problem}</p>
        )
      ) : (
        <div className="mx-auto flex w-full flex-col gap-3 px-[18px] pb-6 max-sm:px-3">
          {streams.length === 0 ? <NoStreams /> : <StreamTable streams={streams} offline={problem !== null} />}
        </div>
      )}
    </>
  );
}

function NoStreams() {
  return (
    <section className="panel empty">
      <h2 className="text-[17px] font-[640] tracking-[-0.01em]">No events yet</h2>
      <p className="max-w-[52ch] text-t2">
        A stream appears with its first event: fields and types are read off it. Send one and it shows here within a
        second.
      </p>
      <Command text={curlCommand(API_URL, 'orders', FIRST_EVENT)} />
      <p className="max-w-[52ch] text-t3">
        An object is one event; an array or one object per line are many. Each answer says how many were accepted, and
        they are on disk by then.
      </p>
    </section>
  );
}

function StreamTable({ streams, offline }: { readonly streams: readonly StreamRow[]; readonly offline: boolean }) {
  return (
    <>
      <section className="panel p-0" data-offline={offline}>
        <div className="overflow-x-auto">
          <table className="list">
            <thead>
              <tr>
                <th scope="col">Stream</th>
                <th scope="col" className="max-sm:hidden">
                  Fields
                </th>
                <th scope="col" className="number">
                  Events
                </th>
                <th scope="col" className="number">
                  Per second
                </th>
                <th scope="col" className="number max-sm:hidden">
                  Refused
                </th>
                <th scope="col" className="number max-sm:hidden">
                  On disk
                </th>
                <th scope="col" className="number">
                  Newest
                </th>
              </tr>
            </thead>
            <tbody>
              {streams.map((stream) => (
                <StreamLine key={stream.name} stream={stream} />
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <section className="panel">
        <header className="panel-head">
          <h2 className="panel-title">Send events</h2>
          <span className="panel-hint">a new name makes a new stream</span>
        </header>
        <Command text={curlCommand(API_URL, 'orders', FIRST_EVENT)} />
      </section>
    </>
  );
}

function StreamLine({ stream }: { readonly stream: StreamRow }) {
  const { name, system = false, schema, events, rate, rejected, bytes, last_arrived_at } = stream;
  const age_ms = last_arrived_at === null ? null : client.serverNow_ms() - last_arrived_at / 1_000;
  return (
    <tr>
      <td>
        <a className="list-link" href={routeHref({ page: 'stream', stream: name })}>
          {name}
        </a>
        {system ? <span className="ml-2 text-t3">kept by the server</span> : null}
      </td>
      <td className="max-w-[320px] truncate text-t3 max-sm:hidden">
        {schema.fields.map((field) => field.name).join(', ') || '–'}
      </td>
      <td className="number">{fixed(events, 0)}</td>
      <td className="number">{rateText(rate)}</td>
      <td className="number max-sm:hidden">
        {rejected === 0 ? (
          <span className="text-t3">0</span>
        ) : (
          <span className="text-warning">{fixed(rejected, 0)}</span>
        )}
      </td>
      <td className="number text-t2 max-sm:hidden">{unitText(bytes, 'bytes')}</td>
      <td className="number text-t2">{age_ms === null ? '–' : formatAge(Math.max(0, age_ms))}</td>
    </tr>
  );
}

/** Slow streams get a decimal, fast ones a suffix. */
export function rateText(rate: number | null): string {
  if (rate === null) {
    return '–';
  }
  const { text, unit } = rate < 100 ? { text: fixed(rate, 1), unit: '' } : formatUnit(Math.round(rate), '');
  return `${text}${unit === '' ? '' : ` ${unit}`}`;
}
