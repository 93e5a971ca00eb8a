// @vitest-environment happy-dom
import { KeyedTable, type TableChanges } from '@pulseboard/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ALL_NEW, AskedSource, PanelFeed, type PanelSource } from './source';

let frames: (() => void)[] = [];

beforeEach(() => {
  frames = [];
  vi.stubGlobal('requestAnimationFrame', (run: () => void) => frames.push(run));
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function nextFrame(): void {
  for (const run of frames.splice(0)) {
    run();
  }
}

/** A source whose changes are told by hand. */
class ByHand implements PanelSource {
  readonly table = new KeyedTable();
  readonly loaded = true;
  readonly state = null;
  readonly newest_us = null;
  tell: (changes: TableChanges) => void = () => {};

  listen(listener: (changes: TableChanges) => void): () => void {
    this.tell = listener;
    listener(ALL_NEW);
    return () => {};
  }
}

const changes = (changed: [string, 'new' | number[]][], removed: string[] = []): TableChanges => ({
  replaced: false,
  changed: new Map(changed.map(([key, columns]) => [key, columns === 'new' ? 'new' : new Set(columns)])),
  removed: new Set(removed),
});

test('what changes while no frame has room for it is told as one change, and what is new as a whole at once', () => {
  const seen = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  const source = new ByHand();
  const feed = new PanelFeed();
  feed.follow(source, null);
  const heard: TableChanges[] = [];
  feed.listen((change) => heard.push(change));
  expect(heard).toEqual([ALL_NEW]);

  source.tell(
    changes(
      [
        ['a', [1]],
        ['b', 'new'],
      ],
      ['x'],
    ),
  );
  source.tell(
    changes(
      [
        ['a', [2]],
        ['b', [0]],
        ['c', [3]],
      ],
      ['y'],
    ),
  );
  expect(heard).toHaveLength(1);
  seen.mockReturnValue('visible');
  nextFrame();
  expect(heard.slice(1)).toEqual([
    changes(
      [
        ['a', [1, 2]],
        ['b', 'new'],
        ['c', [3]],
      ],
      ['x', 'y'],
    ),
  ]);
  nextFrame();
  expect(heard).toHaveLength(2);

  seen.mockReturnValue('hidden');
  source.tell(changes([['a', [1]]]));
  source.tell(ALL_NEW);
  expect(heard.slice(2)).toEqual([ALL_NEW]);
  seen.mockReturnValue('visible');
  nextFrame();
  expect(heard).toHaveLength(3);

  seen.mockReturnValue('hidden');
  source.tell(changes([['a', [1]]]));
  feed.close();
  seen.mockReturnValue('visible');
  nextFrame();
  expect(heard).toHaveLength(3);
});

test('what is on screen stays until there is better, and goes when what it would stand for is refused', () => {
  const feed = new PanelFeed();
  feed.follow(new ByHand(), null);
  const heard: TableChanges[] = [];
  feed.listen((change) => heard.push(change));
  const away = new AskedSource();
  feed.follow(null, away);
  expect([feed.loaded, feed.current]).toEqual([true, false]);
  away.refuse({ code: 'offline', message: 'no server' });
  expect(feed.loaded).toBe(true);
  heard.length = 0;
  away.refuse({ code: 'bad_request', message: 'before the first event' });
  expect([feed.loaded, feed.refused?.code]).toEqual([false, 'bad_request']);
  expect(heard).toEqual([ALL_NEW]);
});
