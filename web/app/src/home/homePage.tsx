/** The first page: the boards there are, alive; the streams that feed them; how the server is; and how to send data. */

import { formatAge, formatDuration, unitText } from '@pulseboard/react/format';
import { useBoards } from '../board';
// Not by the index, which is part of every first page.
import { BoardThumbnail } from '../board/thumbnail';
import type { BoardName } from '../shared/api';
import { client, useBeat } from '../shared/live';
import { PlusIcon } from '../shared/rareIcons';
import { mayEdit } from '../shared/rights';
import { useSession } from '../shared/session';
import { routeHref, TopBar } from '../shell';
import { type StreamRow, useStreams } from '../streams';
import { FirstRun } from './firstRun';
import { useHealth } from './useHealth';

/** Whether somebody sent it, and the server did not measure it by itself. */
const isOwn = (name: string) => !name.startsWith('host_') && !name.startsWith('_');

/** Own streams, then the busiest; the rest is a click away. */
const STREAMS_MAX = 8;

export function HomePage() {
  const boards = useBoards();
  const edits = mayEdit(useSession());
  const { streams, problem } = useStreams();
  const own = streams?.filter(({ name }) => isOwn(name));
  return (
    <>
      <TopBar title="Pulseboard" context={context(boards, streams)} />
      <div className="home">
        <Health problem={problem} />
        <section className="home-boards" aria-label="Boards">
          {boards === null ? (
            <div className="board-card panel" aria-hidden="true" />
          ) : (
            boards.map((board) => <BoardCard key={board.id} board={board} />)
          )}
          {boards === null || !edits ? null : <NewBoard />}
        </section>
        <div className="home-below">
          <Streams streams={streams} />
          <FirstRun first={own !== undefined && own.length === 0} />
        </div>
      </div>
    </>
  );
}

function context(boards: readonly BoardName[] | null, streams: readonly StreamRow[] | null): string {
  if (boards === null || streams === null) {
    return ' ';
  }
  const rate = streams.reduce((sum, each) => sum + (each.rate ?? 0), 0);
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  return [
    count(boards.length, 'board'),
    count(streams.length, 'stream'),
    `${unitText(rate, 'short', rate < 100 ? 1 : 0)} events/s`,
  ].join(' · ');
}

function BoardCard({ board }: { readonly board: BoardName }) {
  return (
    <a className="board-card panel" href={routeHref({ page: 'board', board: board.id })}>
      <BoardThumbnail id={board.id} />
      <span className="board-card-title">{board.title}</span>
    </a>
  );
}

function NewBoard() {
  return (
    <a className="board-card board-new panel" href={routeHref({ page: 'edit', board: null })}>
      <PlusIcon size={18} />
      <span>New board</span>
    </a>
  );
}

function Health({ problem }: { readonly problem: string | null }) {
  const health = useHealth();
  const facts: readonly (readonly [string, string])[] = [
    ['Server', health === null ? '–' : health.status === 'ready' ? 'ready' : health.status],
    ['Up', health === null ? '–' : formatDuration(health.uptime_ms)],
    ['Messages', health === null ? '–' : unitText(health.messages, 'short')],
    ['Errors', health === null ? '–' : unitText(health.errors, 'short')],
    ['Requests p99', health?.latency_p99_ms == null ? '–' : unitText(health.latency_p99_ms, 'ms')],
    ['Event to screen', client.latency_ms === null ? '–' : unitText(client.latency_ms, 'ms')],
  ];
  const problems = [...(health?.problems ?? []), ...(problem === null ? [] : [problem])];
  return (
    <section className="health panel" aria-label="Health" data-level={problems.length === 0 ? 'ok' : 'warning'}>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {problems.map((each) => (
        <p key={each} className="health-problem">
          {each}
        </p>
      ))}
    </section>
  );
}

function Streams({ streams }: { readonly streams: readonly StreamRow[] | null }) {
  useBeat(1_000);
  const weight = ({ name }: StreamRow) => (isOwn(name) ? 0 : 1);
  const busiest = [...(streams ?? [])].sort(
    (a, b) => weight(a) - weight(b) || (b.rate ?? 0) - (a.rate ?? 0) || b.events - a.events,
  );
  return (
    <section className="panel" aria-labelledby="home-streams">
      <header className="panel-head">
        <h2 id="home-streams" className="panel-title">
          Streams
        </h2>
        <a className="panel-hint link" href={routeHref({ page: 'streams' })}>
          {busiest.length > STREAMS_MAX ? `all ${busiest.length}` : 'details'}
        </a>
      </header>
      <table className="plain-table">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" className="number">
              Events
            </th>
            <th scope="col" className="number">
              Rate
            </th>
            <th scope="col" className="number">
              Last
            </th>
          </tr>
        </thead>
        <tbody>
          {busiest.slice(0, STREAMS_MAX).map(({ name, events, rate, last_arrived_at }) => (
            <tr key={name}>
              <td>
                <a className="mono" href={routeHref({ page: 'stream', stream: name })}>
                  {name}
                </a>
              </td>
              <td className="number">{unitText(events, 'short')}</td>
              <td className="number">{rate === null ? '–' : `${unitText(rate, 'short', 1)} / s`}</td>
              <td className="number">
                {last_arrived_at === null
                  ? '–'
                  : formatAge(Math.max(0, client.serverNow_ms() - last_arrived_at / 1_000))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {streams?.length === 0 ? <p className="panel-message">Nothing has been sent yet</p> : null}
    </section>
  );
}
