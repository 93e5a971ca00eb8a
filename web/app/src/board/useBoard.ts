/** A board's definition: as it was at the last visit, fetched at once, again after each reconnect, kept meanwhile. */

import { useEffect, useState } from 'react';
import { API_URL, ApiError, api, type Board, type BoardName } from '../shared/api';
import { client } from '../shared/live';
import { isShare } from '../shared/pass';

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;
/** How often it is looked whether the board's file was changed; the answer is a 304 nearly always. */
const LOOK_EVERY_MS = 2_000;

export interface BoardAnswer {
  readonly board: Board | null;
  /** Why there is none, for a person. */
  readonly problem: string | null;
}

/** What was asked for a moment ago need not be asked again when the connection opens; before that the server may have been another. */
const FRESH_MS = 1_000;

/** Asks at once, unless it was asked a moment ago, and whenever the connection opens. */
function askOnOpen(ask: () => Promise<void>, early_ms = Number.NEGATIVE_INFINITY): () => void {
  let asked_ms = early_ms;
  const askUnlessFresh = () => {
    if (performance.now() - asked_ms > FRESH_MS) {
      asked_ms = performance.now();
      void ask();
    }
  };
  askUnlessFresh();
  return client.onConnection(({ status }) => status === 'open' && askUnlessFresh());
}

/** Which boards there are; null until that is known. */
export function useBoards(): readonly BoardName[] | null {
  const [boards, setBoards] = useState<readonly BoardName[] | null>(null);
  useEffect(() => {
    let over = false;
    let retry: ReturnType<typeof setTimeout> | undefined;
    let wait_ms = RETRY_MS;
    const load = async () => {
      clearTimeout(retry);
      const listed = await api.boards().catch(() => null);
      if (over) {
        return;
      }
      if (listed === null) {
        // Whoever may not list them need not hear it each second.
        retry = setTimeout(load, wait_ms);
        wait_ms = Math.min(2 * wait_ms, RETRY_MS_MAX);
      } else {
        wait_ms = RETRY_MS;
        setBoards(listed);
      }
    };
    const stop = askOnOpen(load);
    return () => {
      over = true;
      clearTimeout(retry);
      stop();
    };
  }, []);
  return boards;
}

/** What was kept is shown until the server says otherwise; a page may be denied its storage. */
const kept = {
  name: (board: string) => `pulseboard.board 1 ${API_URL} ${board}`,

  read(board: string): Board | null {
    try {
      return isShare ? null : (JSON.parse(localStorage.getItem(kept.name(board)) ?? 'null') as Board | null);
    } catch {
      return null;
    }
  },

  write(name: string, board: Board): void {
    try {
      if (!isShare) {
        localStorage.setItem(kept.name(name), JSON.stringify(board));
      }
    } catch {
      // Then the next visit begins with nothing.
    }
  },
};

/** Which board was asked for before there was a page, and when. */
let early = { name: '', asked_ms: 0 };

/** A board before its page is made: as it was at the last visit, or asked for. */
export async function askEarly(name: string): Promise<Board> {
  const known = kept.read(name);
  if (known !== null) {
    return known;
  }
  const asked_ms = performance.now();
  const board = await api.board(name);
  kept.write(name, board);
  early = { name, asked_ms };
  return board;
}

export function useBoard(name: string): BoardAnswer {
  const [answer, setAnswer] = useState<BoardAnswer>(() => ({ board: kept.read(name), problem: null }));
  useEffect(() => {
    let over = false;
    let retry: ReturnType<typeof setTimeout> | undefined;
    const known = kept.read(name);
    const asked_ms = early.name === name && known !== null ? early.asked_ms : undefined;
    let confirmed = asked_ms !== undefined;
    // What is shown. React keeps each update that changes nothing until something does: on a wall, that is for ever.
    let shown = known === null ? null : JSON.stringify(known);
    if (known !== null) {
      setAnswer({ board: known, problem: null });
    }
    const load = async () => {
      clearTimeout(retry);
      try {
        const board = await api.board(name);
        if (!over) {
          confirmed = true;
          const text = JSON.stringify(board);
          if (text !== shown) {
            shown = text;
            kept.write(name, board);
            setAnswer({ board, problem: null });
          }
        }
      } catch (error) {
        if (over || !(error instanceof ApiError)) {
          return;
        }
        // What is on screen stays, unless it was kept and is gone; a reason is only shown where there is nothing else.
        const gone = error.code === 'unknown_board' && !confirmed;
        if (shown === null || gone) {
          shown = null;
          setAnswer({ board: null, problem: error.message });
        }
        retry = setTimeout(load, RETRY_MS);
      }
    };
    const stop = askOnOpen(load, asked_ms);
    const looks = setInterval(() => {
      if (document.visibilityState === 'visible' && client.connection.status === 'open') {
        void load();
      }
    }, LOOK_EVERY_MS);
    return () => {
      over = true;
      clearTimeout(retry);
      clearInterval(looks);
      stop();
    };
  }, [name]);
  return answer;
}
