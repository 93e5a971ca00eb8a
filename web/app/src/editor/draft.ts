/**
 * A board while it is being edited: the file's content as one immutable value, and what can be done to it.
 *
 * Pure: no page, no server. Members that the editor does not know are kept as they are.
 */

import type { Board, Panel, PanelOptions, PanelType } from '../shared/api';
import type { NewPanel } from '../shared/handoff';
import { optionSpecs } from './optionSpecs';

export const GRID_COLUMNS = 12;

/** How large a new panel of each type is, in cells of the grid; the server's sizes for panels that say none. */
const SIZES: Partial<Record<PanelType, { readonly w: number; readonly h: number }>> = {
  stat: { w: 3, h: 2 },
  gauge: { w: 3, h: 3 },
  text: { w: 4, h: 2 },
  timeseries: { w: 6, h: 4 },
  heatmap: { w: 6, h: 4 },
  statetimeline: { w: 6, h: 3 },
  candles: { w: 8, h: 5 },
};
const SIZE = { w: 4, h: 4 };

export type DraftPanel = Omit<Panel, 'channel'>;

export interface Draft extends Omit<Board, 'panels'> {
  readonly panels: readonly DraftPanel[];
}

/** Where something lies on the grid, in cells. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export const EMPTY: Draft = { title: '', panels: [] };

/** What the server adds to a definition and a file does not say. */
const SERVED = ['id', 'channel', 'hash', 'definition_hash', 'editable', 'read_only', 'problems'];

/** Reads the server's definition of a board. */
export function toDraft(board: Board): Draft {
  const own = Object.fromEntries(Object.entries(board).filter(([key]) => !SERVED.includes(key)));
  const panels = board.panels.map(({ channel: _, ...panel }) => panel);
  return { ...(own as Omit<Draft, 'panels'>), panels };
}

/** What is sent to be saved: without what is empty, which means the default. */
export function toDefinition(draft: Draft): object {
  const { panels, variables, ...board } = draft;
  const chosen = (variables ?? []).map(withoutEmpty);
  return {
    ...withoutEmpty(board),
    ...(chosen.length === 0 ? {} : { variables: chosen }),
    panels: panels.map(withoutEmpty),
  };
}

export function sameDraft(a: Draft, b: Draft): boolean {
  return a === b || canonical(toDefinition(a)) === canonical(toDefinition(b));
}

export function sizeOf(type: PanelType): { readonly w: number; readonly h: number } {
  return SIZES[type] ?? SIZE;
}

export function panelOf(draft: Draft, id: string): DraftPanel | undefined {
  return draft.panels.find((panel) => panel.id === id);
}

/** Adds a panel where there is room for it, from the top. */
export function addPanel(draft: Draft, panel: NewPanel): { readonly draft: Draft; readonly id: string } {
  const size = sizeOf(panel.type);
  const added: DraftPanel = {
    ...panel,
    id: freeId(draft, panel.id ?? panel.type),
    ...freePlace(draft.panels, size),
    ...size,
  };
  return { draft: { ...draft, panels: [...draft.panels, added] }, id: added.id };
}

export function duplicatePanel(draft: Draft, id: string): { readonly draft: Draft; readonly id: string } {
  const panel = panelOf(draft, id);
  if (panel === undefined) {
    return { draft, id };
  }
  const { w, h } = panel;
  const copy: DraftPanel = {
    ...panel,
    id: freeId(draft, panel.id),
    title: `${panel.title} (copy)`,
    ...freePlace(draft.panels, { w, h }),
  };
  return { draft: { ...draft, panels: [...draft.panels, copy] }, id: copy.id };
}

export function removePanel(draft: Draft, id: string): Draft {
  return { ...draft, panels: draft.panels.filter((panel) => panel.id !== id) };
}

/** Changes members of a panel. */
export function changePanel(draft: Draft, id: string, change: Partial<DraftPanel>): Draft {
  return { ...draft, panels: draft.panels.map((panel) => (panel.id === id ? { ...panel, ...change } : panel)) };
}

/** Draws a panel in another way: what the new type does not read is left out, for the server would refuse it. */
export function changeType(draft: Draft, id: string, type: PanelType): Draft {
  const panel = panelOf(draft, id);
  if (panel === undefined) {
    return draft;
  }
  const known = new Map(optionSpecs(type).map(({ name, kind }) => [name, kind]));
  const kept = Object.entries(panel.options ?? {}).filter(([name, value]) => {
    const kind = known.get(name);
    // A choice may be one of other words there.
    return kind !== undefined && (kind.is !== 'choice' || kind.of.includes(String(value)));
  });
  const asks = { text: null, sql: panel.sql ?? (panel.view ? null : '') };
  const query = type === 'text' ? { text: panel.text ?? '', sql: null, view: null } : asks;
  return changePanel(draft, id, { type, options: Object.fromEntries(kept) as PanelOptions, ...query });
}

export function changeOption(draft: Draft, id: string, name: string, value: unknown): Draft {
  const options = { ...panelOf(draft, id)?.options, [name]: value };
  const left = Object.fromEntries(Object.entries(options).filter(([, each]) => !isEmpty(each)));
  return changePanel(draft, id, { options: left as PanelOptions });
}

export function changeBoard(draft: Draft, change: Partial<Omit<Draft, 'panels'>>): Draft {
  return { ...draft, ...change };
}

/** Puts panels where they are said to be; the rest stays. */
export function placePanels(draft: Draft, places: ReadonlyMap<string, Place>): Draft {
  const panels = draft.panels.map((panel) => {
    const place = places.get(panel.id);
    const { x, y, w, h } = panel;
    const same = place === undefined || (place.x === x && place.y === y && place.w === w && place.h === h);
    return same ? panel : { ...panel, x: place.x, y: place.y, w: place.w, h: place.h };
  });
  return panels.every((panel, index) => panel === draft.panels[index]) ? draft : { ...draft, panels };
}

function freeId(draft: Draft, wanted: string): string {
  const taken = new Set(draft.panels.map(({ id }) => id));
  const base = wanted.replace(/_\d+$/, '');
  let id = wanted;
  for (let number = 2; taken.has(id); number += 1) {
    id = `${base}_${number}`;
  }
  return id;
}

/** The first gap, in reading order, that is large enough. */
export function freePlace(
  panels: readonly Place[],
  { w, h }: { readonly w: number; readonly h: number },
): { readonly x: number; readonly y: number } {
  const bottom = panels.reduce((lowest, panel) => Math.max(lowest, panel.y + panel.h), 0);
  for (let y = 0; y < bottom; y += 1) {
    for (let x = 0; x + w <= GRID_COLUMNS; x += 1) {
      const free = panels.every(
        (each) => each.x >= x + w || x >= each.x + each.w || each.y >= y + h || y >= each.y + each.h,
      );
      if (free) {
        return { x, y };
      }
    }
  }
  return { x: 0, y: bottom };
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') {
    return true;
  }
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function withoutEmpty(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => !isEmpty(each)));
}

/** The same text for the same content, whatever order members are in. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
