/** A panel on its way from the explorer to a board's editor: put down there, taken up here, once. */

import type { Panel } from './api';

const KEY = 'pulseboard.panel to add';

/** A panel without a place: the board finds one. */
export type NewPanel = Omit<Panel, 'channel' | 'id' | 'x' | 'y' | 'w' | 'h'> & { readonly id?: string };

let held: string | null = null;

export function putHandoff(panel: NewPanel): void {
  held = JSON.stringify(panel);
  try {
    sessionStorage.setItem(KEY, held);
  } catch {
    // It is held in memory, and lasts as long as the page.
  }
}

export function takeHandoff(): NewPanel | null {
  let text = held;
  try {
    text = sessionStorage.getItem(KEY) ?? text;
    sessionStorage.removeItem(KEY);
  } catch {
    // Then there is what is held.
  }
  held = null;
  return text === null ? null : (JSON.parse(text) as NewPanel);
}
