/** The one board that a link shows: live, read-only, with nothing around it. */

import { useMemo } from 'react';
import { useSession } from '../shared/session';
import { type BoardQuery, TopBar } from '../shell';
import { BoardSkeleton } from './boardPage';
import { BoardView } from './boardView';
import { useBoard } from './useBoard';

export function SharePage({ query }: { readonly query: BoardQuery }) {
  const share = useSession().me?.share ?? null;
  return share === null ? <Waiting /> : <Shared name={share.board} fixed={share.variables} query={query} />;
}

interface SharedProps {
  readonly name: string;
  readonly fixed: { readonly [name: string]: string };
  readonly query: BoardQuery;
}

function Shared({ name, fixed, query }: SharedProps) {
  const { board, problem } = useBoard(name);
  const held = useMemo(() => ({ ...query, variables: { ...query.variables, ...fixed } }), [query, fixed]);
  if (board === null) {
    return problem === null ? (
      <Waiting />
    ) : (
      <div className="page-message">
        <p>{problem}</p>
      </div>
    );
  }
  return <BoardView id={name} board={board} boards={NONE} query={held} fixed={fixed} />;
}

const NONE = [] as const;

function Waiting() {
  return (
    <>
      <TopBar title=" " context=" " />
      <BoardSkeleton />
    </>
  );
}
