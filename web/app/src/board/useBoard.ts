/** A board's definition: fetched at once, again after each reconnect, kept meanwhile. */

import { useEffect, useState } from 'react';
import { ApiError, api, type Board, type BoardName } from '../shared/api';
import { client } from '../shared/live';

const RETRY_MS = 1_000;

export interface BoardAnswer {
  readonly board: Board | null;
  /** Why there is none, for a person. */
  readonly problem: string | null;
}

/** Which boards there are; null until that is known. */
export function useBoards(): readonly BoardName[] | null {
  const [boards, setBoards] = useState<readonly BoardName[] | null>(null);
  useEffect(() => {
    let over = false;
    const load = async () => {
      const listed = await api.boards().catch(() => null);
      if (!over && listed !== null) {
        setBoards(listed);
      }
    };
    void load();
    // They may have been away when the page was opened.
    const stop = client.onConnection(({ status }) => {
      if (status === 'open') {
        void load();
      }
    });
    return () => {
      over = true;
      stop();
    };
  }, []);
  return boards;
}

export function useBoard(name: string): BoardAnswer {
  const [answer, setAnswer] = useState<BoardAnswer>({ board: null, problem: null });
  useEffect(() => {
    let over = false;
    let retry: ReturnType<typeof setTimeout> | undefined;
    const load = async () => {
      clearTimeout(retry);
      try {
        const board = await api.board(name);
        if (!over) {
          setAnswer((held) => (JSON.stringify(held.board) === JSON.stringify(board) ? held : { board, problem: null }));
        }
      } catch (error) {
        if (over || !(error instanceof ApiError)) {
          return;
        }
        // What is on screen stays; a reason is only shown where there is nothing else to show.
        setAnswer((held) => (held.board === null ? { board: null, problem: error.message } : held));
        retry = setTimeout(load, RETRY_MS);
      }
    };
    void load();
    const stop = client.onConnection(({ status }) => {
      if (status === 'open') {
        void load();
      }
    });
    return () => {
      over = true;
      clearTimeout(retry);
      stop();
    };
  }, [name]);
  return answer;
}
