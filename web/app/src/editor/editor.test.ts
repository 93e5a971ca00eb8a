import { describe, expect, it } from 'vitest';
import server from '../../../../crates/server/src/config/places.rs?raw';
import { readStates, writeStates } from '../forms/listFields';
import type { Board } from '../shared/api';
import { isName, nameOf } from '../shared/names';
import {
  addPanel,
  changeOption,
  changePanel,
  type DraftPanel,
  duplicatePanel,
  EMPTY,
  placePanels,
  removePanel,
  sameDraft,
  sizeOf,
  toDefinition,
  toDraft,
} from './draft';
import { begin, commit, redo, undo, undoable } from './history';
import { compacted, moved, type Placed, resized } from './layout';
import { changesBetween, merge } from './merge';
import { TYPES } from './optionSpecs';

const PANELS: Placed[] = [
  { id: 'a', x: 0, y: 0, w: 6, h: 2 },
  { id: 'b', x: 6, y: 0, w: 6, h: 2 },
  { id: 'c', x: 0, y: 2, w: 12, h: 4 },
];
const panel = (id: string): DraftPanel => ({ id, type: 'stat', title: id, x: 0, y: 0, w: 3, h: 2 });

describe('places on the grid', () => {
  it('a step to the side pushes the neighbour down and everything falls up again', () => {
    const places = moved(PANELS, 'a', 'right');
    expect(places?.get('a')).toMatchObject({ x: 1, y: 0 });
    expect(places?.get('b')).toMatchObject({ x: 6, y: 2 });
    expect(places?.get('c')).toMatchObject({ y: 4 });
  });

  it('a step down passes what is below, however high that is', () => {
    const places = moved(PANELS, 'a', 'down');
    expect(places?.get('a')?.y).toBeGreaterThan(0);
    const heights = [...(places?.values() ?? [])];
    expect(heights.every((one, index) => heights.every((other, at) => index === at || !overlap(one, other)))).toBe(
      true,
    );
  });

  it('a step up passes what is above', () => {
    expect(moved(PANELS, 'c', 'up')?.get('c')).toMatchObject({ y: 0 });
  });

  it('nothing leaves the grid', () => {
    expect(moved(PANELS, 'a', 'left')).toBeNull();
    expect(moved(PANELS, 'b', 'right')).toBeNull();
    expect(moved(PANELS, 'a', 'up')).toBeNull();
    expect(resized(PANELS, 'b', 'right')).toBeNull();
  });

  it('what grows pushes away, what shrinks lets back, and no panel becomes nothing', () => {
    const grown = resized(PANELS, 'a', 'down');
    expect(grown?.get('a')).toMatchObject({ h: 3 });
    expect(grown?.get('c')).toMatchObject({ y: 3 });
    expect(resized([{ id: 'a', x: 0, y: 0, w: 1, h: 1 }], 'a', 'left')).toBeNull();
    expect(resized([{ id: 'a', x: 0, y: 0, w: 1, h: 1 }], 'a', 'up')).toBeNull();
  });

  it('holes close', () => {
    expect(compacted([{ id: 'a', x: 0, y: 7, w: 2, h: 2 }]).get('a')).toMatchObject({ y: 0 });
  });
});

describe('a draft', () => {
  it('takes a new panel where there is room, under a free id', () => {
    const first = addPanel({ ...EMPTY, panels: [{ ...panel('stat'), w: 9 }] }, { type: 'stat', title: 'New' });
    expect(first.id).toBe('stat_2');
    expect(first.draft.panels[1]).toMatchObject({ x: 9, y: 0, w: 3, h: 2 });
    expect(addPanel(first.draft, { type: 'stat', title: 'New' }).draft.panels[2]).toMatchObject({ x: 0, y: 2 });
  });

  it('copies a panel with all it says', () => {
    const { draft, id } = duplicatePanel({ ...EMPTY, panels: [{ ...panel('cpu'), unit: 'percent' }] }, 'cpu');
    expect(id).toBe('cpu_2');
    expect(draft.panels[1]).toMatchObject({ title: 'cpu (copy)', unit: 'percent', x: 3, y: 0 });
    expect(removePanel(draft, 'cpu').panels.map((each) => each.id)).toEqual(['cpu_2']);
  });

  it('forgets an option that is emptied and sends nothing empty', () => {
    const draft = { ...EMPTY, title: 'T', description: '', panels: [panel('a')] };
    const set = changeOption(draft, 'a', 'decimals', 0);
    expect(set.panels[0]?.options).toEqual({ decimals: 0 });
    const unset = changeOption(set, 'a', 'decimals', undefined);
    expect(toDefinition(unset)).toEqual({ title: 'T', panels: [panel('a')] });
  });

  it('is the same whatever order its members are in, and after moving back', () => {
    const draft = { ...EMPTY, title: 'T', panels: [panel('a')] };
    expect(sameDraft(draft, { panels: [panel('a')], title: 'T', description: null })).toBe(true);
    const away = placePanels(draft, new Map([['a', { x: 1, y: 0, w: 3, h: 2 }]]));
    expect(sameDraft(draft, away)).toBe(false);
    expect(sameDraft(draft, placePanels(away, new Map([['a', { x: 0, y: 0, w: 3, h: 2 }]])))).toBe(true);
    expect(placePanels(draft, new Map([['a', { x: 0, y: 0, w: 3, h: 2 }]]))).toBe(draft);
  });

  it('makes new panels as large as the server makes those that say nothing', () => {
    const body = /fn size_of.*?\n}/s.exec(server)?.[0] ?? '';
    const sizes = new Map<string, { w: number; h: number }>();
    for (const [, kinds = '', w, h] of body.matchAll(/((?:"\w+"(?: \| )?)+|_) => \((\d+), (\d+)\)/g)) {
      for (const kind of kinds.split(' | ')) {
        sizes.set(kind.replaceAll('"', ''), { w: Number(w), h: Number(h) });
      }
    }
    expect(sizes.size).toBeGreaterThan(5);
    for (const { type } of TYPES) {
      expect(sizeOf(type), type).toEqual(sizes.get(type) ?? sizes.get('_'));
    }
  });

  it('keeps what it does not know and leaves out what only the server says', () => {
    const board = { id: 'b', title: 'T', later: [1], panels: [{ ...panel('a'), channel: 'view:b.a' }] } as unknown;
    expect(toDefinition(toDraft(board as Board))).toEqual({ title: 'T', later: [1], panels: [panel('a')] });
  });

  it('makes names of titles', () => {
    expect(nameOf('Orders per minute')).toBe('orders_per_minute');
    expect(nameOf('Über 9.000 €!')).toBe('uber_9_000');
    expect(nameOf('9 to 5')).toBe('b_9_to_5');
    expect([isName('shop.v2'), isName('2nd'), isName('a b'), isName('')]).toEqual([true, false, false, false]);
  });
});

describe('undo', () => {
  it('takes back steps in turn and does them again', () => {
    let history = commit(commit(begin('a'), 'b', 'to b'), 'c', 'to c');
    expect(undoable(history)).toBe('to c');
    history = undo(undo(history));
    expect([history.present, undoable(history)]).toEqual(['a', null]);
    history = redo(history);
    expect(history.present).toBe('b');
    history = commit(history, 'd', 'to d');
    expect(redo(history).present).toBe('d');
  });

  it('takes typing in one field back at once', () => {
    let history = begin('');
    for (const text of ['c', 'cp', 'cpu']) {
      history = commit(history, text, 'title', 'title');
    }
    history = commit(history, 'CPU!', 'other', 'other');
    expect(undo(history).present).toBe('cpu');
    expect(undo(undo(history)).present).toBe('');
    expect(undo(undo(undo(history))).present).toBe('');
  });
});

function overlap(a: Omit<Placed, 'id'>, b: Omit<Placed, 'id'>): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe('two people at one board', () => {
  const base = { ...EMPTY, title: 'T', panels: [panel('a'), panel('b')] };
  const with_ = (id: string, change: Partial<DraftPanel>) => changePanel(base, id, change);

  it('are told what the other did', () => {
    const theirs = addPanel(removePanel(with_('a', { x: 3 }), 'b'), { type: 'bars', title: 'New' }).draft;
    expect(changesBetween(base, { ...theirs, title: 'U' })).toEqual([
      'named it “U”',
      'moved “a”',
      'added “New”',
      'removed “b”',
    ]);
    expect(changesBetween(base, with_('a', { unit: 'percent' }))).toEqual(['changed “a”']);
    expect(changesBetween(base, base)).toEqual([]);
  });

  it('both keep what they did where it was not the same', () => {
    const mine = with_('a', { title: 'mine' });
    const theirs = { ...removePanel(base, 'b'), description: 'theirs' };
    const { draft, contested } = merge(base, mine, theirs);
    expect(contested).toEqual([]);
    expect(draft.description).toBe('theirs');
    expect(draft.panels.map(({ title }) => title)).toEqual(['mine']);
  });

  it('mine stands where both changed the same panel, and it is named', () => {
    const { draft, contested } = merge(base, with_('a', { title: 'mine' }), with_('a', { title: 'theirs' }));
    expect(contested).toEqual(['mine']);
    expect(draft.panels[0]?.title).toBe('mine');
    expect(merge(base, with_('a', { x: 1 }), with_('a', { x: 1 })).contested).toEqual([]);
  });
});

describe('states as lines', () => {
  it('are read back as they were written, by column or not', () => {
    const flat = { up: 'ok', down: 'critical' };
    const byColumn = { status: { paid: 'ok', retry: 'warning' } };
    expect(readStates(writeStates(flat, false), false)).toEqual(flat);
    expect(readStates(writeStates(byColumn, true), true)).toEqual(byColumn);
  });

  it('go nowhere while a line is not finished', () => {
    expect(readStates('up = o', false)).toBeNull();
    expect(readStates('paid = ok', true)).toBeNull();
    expect(readStates('', false)).toEqual({});
  });
});

describe('variables of a draft', () => {
  const draft = { ...EMPTY, title: 'T', variables: [{ name: 'symbol', type: 'string', options: [], default: '' }] };

  it('are sent without what is empty', () => {
    expect(toDefinition(draft)).toEqual({ title: 'T', variables: [{ name: 'symbol', type: 'string' }], panels: [] });
    expect(toDefinition({ ...draft, variables: [] })).toEqual({ title: 'T', panels: [] });
  });
});
