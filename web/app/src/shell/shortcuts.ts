/** Keys that work everywhere: `g` and a letter goes to a page, `?` shows them all. */

import { useEffect } from 'react';
import { DEFAULT_BOARD, go, type Route } from './route';

const GO_KEYS: Record<string, Route> = {
  b: { page: 'board', board: DEFAULT_BOARD },
  s: { page: 'streams' },
  e: { page: 'explore', sql: null },
};

/** The second key counts for this long after `g`. */
const CHORD_MS = 1_200;

/** What the help shows. */
export const SHORTCUTS: readonly (readonly [string, string])[] = [
  ['g b', 'Board'],
  ['g s', 'Streams'],
  ['g e', 'Explore'],
  ['Space', 'Pause or go on (board)'],
  ['Ctrl Enter', 'Run the query (explore)'],
  ['?', 'This help'],
];

/** Whether keys belong to what has the focus instead of to the page. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

export function useShortcuts(showHelp: () => void): void {
  useEffect(() => {
    let chordUntil_ms = 0;
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) {
        return;
      }
      const route = event.timeStamp < chordUntil_ms ? GO_KEYS[event.key] : undefined;
      chordUntil_ms = event.key === 'g' ? event.timeStamp + CHORD_MS : 0;
      if (route !== undefined) {
        event.preventDefault();
        go(route);
      } else if (event.key === '?') {
        event.preventDefault();
        showHelp();
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [showHelp]);
}
