/** A board: its panels on the grid, all of one subscription, so that they always stand at the same instant. */

import { localZone } from '@pulseboard/react/format';
import { useEffect, useMemo, useState } from 'react';
import type { Board, BoardName, Panel as PanelInfo } from '../shared/api';
import { boardClock } from '../shared/boardClock';
import { useConnection, useSubscription } from '../shared/live';
import { DEFAULT_BOARD, go, routeHref, TopBar } from '../shell';
import { Panel } from './panel';
import { useBoard, useBoards } from './useBoard';

export function BoardPage({ name }: { readonly name: string }) {
  const boards = useBoards() ?? [];
  // Without a board of its own, the first page is the first board there is.
  const first = name === DEFAULT_BOARD && !boards.some(({ id }) => id === name) ? boards[0]?.id : undefined;
  const id = first ?? name;
  const { board, problem } = useBoard(id);
  if (board === null) {
    return (
      <>
        <TopBar title={problem === null ? ' ' : 'No board'} context={problem ?? ' '} />
        {problem === null ? <BoardSkeleton /> : <NoBoard problem={problem} boards={boards} />}
      </>
    );
  }
  return <LoadedBoard key={id} id={id} board={board} boards={boards} />;
}

function NoBoard({ problem, boards }: { readonly problem: string; readonly boards: readonly BoardName[] }) {
  return (
    <div className="page-message">
      <p>{problem}</p>
      {boards.length === 0 ? (
        <p>
          Boards are TOML files in the folder that <code>boards</code> names in the configuration. Meanwhile:{' '}
          <a className="text-accent hover:underline" href={routeHref({ page: 'streams' })}>
            streams
          </a>{' '}
          and{' '}
          <a className="text-accent hover:underline" href={routeHref({ page: 'explore', sql: null })}>
            live SQL
          </a>
          .
        </p>
      ) : (
        <p>
          There is:{' '}
          {boards.map(({ id, title }) => (
            <a key={id} className="mx-1 text-accent hover:underline" href={routeHref({ page: 'board', board: id })}>
              {title}
            </a>
          ))}
        </p>
      )}
    </div>
  );
}

interface LoadedBoardProps {
  readonly id: string;
  readonly board: Board;
  readonly boards: readonly BoardName[];
}

function LoadedBoard({ id, board, boards }: LoadedBoardProps) {
  const panels = useMemo(() => inReadingOrder(board.panels), [board]);
  const channels = useMemo(() => [...new Set(panels.map(({ channel }) => channel))], [panels]);
  const subscription = useSubscription(channels);
  const connection = useConnection();
  const [paused, setPaused] = useState(false);
  useEffect(() => {
    boardClock.setPaused(paused);
    if (paused) {
      subscription?.pause();
    } else {
      subscription?.resume();
    }
    return () => boardClock.setPaused(false);
  }, [subscription, paused]);
  const zone = board.timezone ?? undefined;
  const context = [board.description, zone ?? localZone()].filter(Boolean).join(' · ');
  return (
    <>
      <TopBar title={board.title} context={context} zone={zone} play={{ paused, setPaused }}>
        {boards.length > 1 ? (
          <select
            className="board-choice"
            aria-label="Board"
            value={id}
            onChange={({ target }) => go({ page: 'board', board: target.value })}
          >
            {boards.map((each) => (
              <option key={each.id} value={each.id}>
                {each.title}
              </option>
            ))}
          </select>
        ) : null}
      </TopBar>
      <div className="board" data-offline={connection.status !== 'open' && connection.status !== 'idle'}>
        {subscription === null
          ? null
          : panels.map((panel) => (
              <Panel key={panel.id} panel={panel} subscription={subscription} zone={zone} paused={paused} />
            ))}
      </div>
    </>
  );
}

/** On a phone panels stand one below the other, in the order in which a reader meets them on the wide board. */
function inReadingOrder(panels: readonly PanelInfo[]): PanelInfo[] {
  return [...panels].sort((a, b) => a.y - b.y || a.x - b.x);
}

/** Only ever seen on the very first visit, while the definition is on its way. */
function BoardSkeleton() {
  return (
    <div className="board" aria-hidden="true">
      {[0, 2, 4, 6, 8, 10].map((x) => (
        <div
          key={x}
          className="panel"
          data-type="stat"
          style={{ '--x': x + 1, '--y': 1, '--w': 2, '--h': 2 } as never}
        />
      ))}
      <div className="panel" style={{ '--x': 1, '--y': 3, '--w': 8, '--h': 5 } as never} />
      <div className="panel" style={{ '--x': 9, '--y': 3, '--w': 4, '--h': 5 } as never} />
    </div>
  );
}
