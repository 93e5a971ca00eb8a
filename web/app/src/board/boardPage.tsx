/** A board: loads its definition, then shows its panels on the grid, all at the same instant. */

import { useEffect } from 'react';
import type { BoardName } from '../shared/api';
import { type BoardQuery, rememberBoard, routeHref, TopBar } from '../shell';
import { BoardView } from './boardView';
import { useBoard, useBoards } from './useBoard';

interface BoardPageProps {
  readonly name: string;
  readonly query: BoardQuery;
}

export function BoardPage({ name, query }: BoardPageProps) {
  const boards = useBoards() ?? [];
  const { board, problem } = useBoard(name);
  const known = board !== null;
  useEffect(() => {
    if (known) {
      rememberBoard(name);
    }
  }, [name, known]);
  if (board === null) {
    return (
      <>
        <TopBar title={problem === null ? ' ' : 'No board'} context={problem === null ? ' ' : name} />
        {problem === null ? <BoardSkeleton /> : <NoBoard problem={problem} boards={boards} />}
      </>
    );
  }
  return <BoardView id={name} board={board} boards={boards} query={query} />;
}

function NoBoard({ problem, boards }: { readonly problem: string; readonly boards: readonly BoardName[] }) {
  return (
    <div className="page-message">
      <p>{problem}</p>
      {boards.length === 0 ? (
        <p>
          Boards are TOML files in the folder that <code>boards</code> names in the configuration. Meanwhile:{' '}
          <a href={routeHref({ page: 'streams' })}>streams</a> and{' '}
          <a href={routeHref({ page: 'explore', sql: null })}>live SQL</a>.
        </p>
      ) : (
        <p>
          There is:{' '}
          {boards.map(({ id, title }) => (
            <a key={id} className="mx-1" href={routeHref({ page: 'board', board: id })}>
              {title}
            </a>
          ))}
        </p>
      )}
    </div>
  );
}

/** Only ever seen on the very first visit, while the definition is on its way. */
export function BoardSkeleton() {
  const slot = (x: number, y: number, w: number, h: number, type = '') => (
    <div key={x} className="slot" data-type={type} style={{ '--x': x + 1, '--y': y + 1, '--w': w, '--h': h } as never}>
      <div className="panel" />
    </div>
  );
  return (
    <div className="board" aria-hidden="true">
      {[0, 2, 4, 6, 8, 10].map((x) => slot(x, 0, 2, 2, 'stat'))}
      {slot(0, 2, 8, 5)}
      {slot(8, 2, 4, 5)}
    </div>
  );
}
