/** Keys that work everywhere: to the pages, to the theme, to the list of keys. */

import { useMemo } from 'react';
import { changeSettings } from '../shared/settings';
import { useKeys } from './keys';
import { go } from './route';

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
