/** All keys, for the help. What they do is said where they work; `keys.ts` listens. */

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
