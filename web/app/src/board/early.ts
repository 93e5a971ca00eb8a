/**
 * What a page that opens on a board is going to ask for, asked before React draws anything: the board, and what its panels follow.
 *
 * Drawing takes the browser longer than the server takes to answer. What is asked for first is there when it can be shown.
 */

import type { BoardQuery } from '../shell';
import { askEarly } from './useBoard';
import { followEarly } from './useBoardFeeds';

/** Resolves when the board can be drawn with its data; whoever draws need not wait for it. */
export async function beginBoard(name: string, query: BoardQuery): Promise<void> {
  await followEarly(await askEarly(name), query);
}
