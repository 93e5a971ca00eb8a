/** Keys that work everywhere: to the pages, to the theme, to the list of keys. And that list. */

import { useMemo } from 'react';
import { changeSettings } from '../shared/settings';
import { useKeys } from './keys';
import { go } from './route';

/** What the help shows, by where it works. */
export const SHORTCUTS: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  [
    'Everywhere',
    [
      ['g h', 'Home'],
      ['g b', 'Boards'],
      ['g s', 'Streams'],
      ['g e', 'Explore'],
      ['c t', 'Dark or light'],
      ['?', 'This help'],
    ],
  ],
  [
    'Time',
    [
      ['Space', 'Pause or go on'],
      ['End', 'Live'],
      ['t t', 'Choose a span'],
      ['t z', 'Zoom out'],
      ['t ←', 'Earlier'],
      ['t →', 'Later'],
      ['t a', 'Freeze the span'],
    ],
  ],
  [
    'Board',
    [
      ['e', 'Edit the board, or the panel under the pointer'],
      ['d k', 'Wall screen'],
      ['d l', 'Longer legends'],
      ['d r', 'Connect anew'],
      ['v', 'This panel alone'],
      ['i', 'Data, SQL and state of this panel'],
      ['Esc', 'Back to the board'],
    ],
  ],
  [
    'Editor',
    [
      ['a', 'Add a panel'],
      ['←↑→↓', 'Move the panel'],
      ['Shift ←↑→↓', 'Resize it'],
      ['Enter', 'Edit it'],
      ['d', 'Duplicate it'],
      ['Del', 'Delete it'],
      ['Ctrl z', 'Undo'],
      ['Ctrl s', 'Save'],
    ],
  ],
  ['Explore', [['Ctrl Enter', 'Run the query']]],
];

const LAST_BOARD = 'pulseboard.last-board 1';

/** Remembers which board `g b` leads to. */
export function rememberBoard(board: string): void {
  try {
    localStorage.setItem(LAST_BOARD, board);
  } catch {
    // Then it leads home.
  }
}

function toBoards(): void {
  let board: string | null = null;
  try {
    board = localStorage.getItem(LAST_BOARD);
  } catch {
    // A page may be denied its storage.
  }
  go(board === null ? { page: 'home' } : { page: 'board', board });
}

function switchTheme(): void {
  changeSettings({ theme: document.documentElement.dataset.theme === 'light' ? 'dark' : 'light' });
}

export function useShortcuts(showHelp: () => void): void {
  const keys = useMemo(
    () => ({
      'g h': () => go({ page: 'home' }),
      'g b': toBoards,
      'g s': () => go({ page: 'streams' }),
      'g e': () => go({ page: 'explore', sql: null }),
      'c t': switchTheme,
      '?': showHelp,
    }),
    [showHelp],
  );
  useKeys(keys);
}
