/**
 * Moving and resizing by steps, as the keyboard does it, by the same rules as dragging: panels make room for each other
 * and then fall upwards.
 *
 * Pure: places in, places out. The rules are those of react-grid-layout.
 */

import { cloneLayout, type LayoutItem, moveElement, verticalCompactor } from 'react-grid-layout/core';
import { GRID_COLUMNS, type Place } from './draft';

export interface Placed extends Place {
  readonly id: string;
}

export type Direction = 'left' | 'right' | 'up' | 'down';

export type Places = ReadonlyMap<string, Place>;

export function toLayout(panels: readonly Placed[]): LayoutItem[] {
  return panels.map(({ id, x, y, w, h }) => ({ i: id, x, y, w, h, minW: 1, minH: 1 }));
}

export function toPlaces(layout: readonly LayoutItem[]): Places {
  return new Map(layout.map(({ i, x, y, w, h }) => [i, { x, y, w, h }]));
}

/** Everything as high as it goes, which is how the grid shows it. */
export function compacted(panels: readonly Placed[]): Places {
  return toPlaces(verticalCompactor.compact(toLayout(panels), GRID_COLUMNS));
}

/** Moves one panel a step; null at the edge. */
export function moved(panels: readonly Placed[], id: string, direction: Direction): Places | null {
  const before = compacted(panels).get(id);
  if (before === undefined) {
    return null;
  }
  const { x, y, w } = before;
  if (direction === 'left') {
    return x === 0 ? null : movedTo(panels, id, x - 1, y);
  }
  if (direction === 'right') {
    return x + w >= GRID_COLUMNS ? null : movedTo(panels, id, x + 1, y);
  }
  // A panel only stays where nothing lets it fall back, so a step up or down goes on until it is past a neighbour.
  const bottom = Math.max(...panels.map((panel) => panel.y + panel.h));
  const step = direction === 'up' ? -1 : 1;
  for (let to = y + step; to >= 0 && to <= bottom; to += step) {
    const places = movedTo(panels, id, x, to);
    const after = places.get(id)?.y ?? y;
    if (direction === 'up' ? after < y : after > y) {
      return places;
    }
  }
  return null;
}

/** Makes one panel a step larger or smaller at its right or lower edge; null where it cannot be. */
export function resized(panels: readonly Placed[], id: string, direction: Direction): Places | null {
  const layout = layoutOf(panels);
  const item = layout.find(({ i }) => i === id);
  if (item === undefined) {
    return null;
  }
  const w = item.w + (direction === 'right' ? 1 : direction === 'left' ? -1 : 0);
  const h = item.h + (direction === 'down' ? 1 : direction === 'up' ? -1 : 0);
  if (w < 1 || h < 1 || item.x + w > GRID_COLUMNS) {
    return null;
  }
  item.w = w;
  item.h = h;
  return toPlaces(verticalCompactor.compact(layout, GRID_COLUMNS));
}

function movedTo(panels: readonly Placed[], id: string, x: number, y: number): Places {
  const layout = layoutOf(panels);
  const item = layout.find(({ i }) => i === id);
  if (item === undefined) {
    return toPlaces(layout);
  }
  const pushed = moveElement(layout, item, x, y, true, false, 'vertical', GRID_COLUMNS);
  return toPlaces(verticalCompactor.compact(pushed, GRID_COLUMNS));
}

/** A copy in the shape that the grid would show, which the library's functions may write into. */
function layoutOf(panels: readonly Placed[]): LayoutItem[] {
  return cloneLayout(verticalCompactor.compact(toLayout(panels), GRID_COLUMNS));
}

/** Where a panel stands, for those who cannot see it. */
export function describePlace({ x, y, w, h }: Place): string {
  return `column ${x + 1}, row ${y + 1}, ${w} wide, ${h} high`;
}
