/** The grid that panels are dragged and resized on; on a phone they lie below each other and nothing is dragged. */

import { useEffect, useMemo, useState } from 'react';
import ReactGridLayout, { type LayoutItem, useContainerWidth } from 'react-grid-layout';
import { verticalCompactor } from 'react-grid-layout/core';
import { type Draft, GRID_COLUMNS } from './draft';
import { type Places, toLayout, toPlaces } from './layout';
import type { Scene } from './picture';
import { Tile, type TileActions } from './tile';

interface CanvasProps {
  readonly scene: Scene;
  readonly selected: string | null;
  readonly actions: TileActions;
  /** The pointer let go: where everything is now, and of which panel it was. */
  readonly onPlaced: (places: Places, id: string, what: 'move' | 'resize') => void;
}

const NARROW = matchMedia('(max-width: 40rem)');

export function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(NARROW.matches);
  useEffect(() => {
    const changed = () => setNarrow(NARROW.matches);
    NARROW.addEventListener('change', changed);
    return () => NARROW.removeEventListener('change', changed);
  }, []);
  return narrow;
}

/** The board's own measures, so that a panel is as large here as there. */
function gridMeasures(): { readonly row_px: number; readonly gap_px: number } {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string, otherwise: number) => Number.parseFloat(style.getPropertyValue(name)) || otherwise;
  return { row_px: read('--row', 62), gap_px: read('--gap', 12) };
}

export function Canvas({ scene, selected, actions, onPlaced }: CanvasProps) {
  const { draft } = scene;
  const { width, containerRef, mounted } = useContainerWidth({ measureBeforeMount: true });
  const narrow = useNarrow();
  const layout = useMemo(() => toLayout(draft.panels), [draft.panels]);
  const [{ row_px, gap_px }] = useState(gridMeasures);
  const tiles = (stacked: boolean) =>
    draft.panels.map((panel) => (
      <div key={panel.id} className="ed-slot" data-type={panel.type}>
        <Tile panel={panel} scene={scene} selected={panel.id === selected} actions={actions} stacked={stacked} />
      </div>
    ));
  const placed = (what: 'move' | 'resize') => (after: readonly LayoutItem[], _: unknown, item: LayoutItem | null) => {
    if (item !== null) {
      onPlaced(toPlaces(after), item.i, what);
    }
  };
  return (
    <div ref={containerRef} className="ed-canvas" data-narrow={narrow}>
      {narrow ? (
        <div className="ed-stack">{tiles(true).toSorted((a, b) => order(draft, a.key) - order(draft, b.key))}</div>
      ) : mounted ? (
        <ReactGridLayout
          width={width}
          layout={layout}
          gridConfig={{ cols: GRID_COLUMNS, rowHeight: row_px, margin: [gap_px, gap_px], containerPadding: [0, 0] }}
          dragConfig={{ enabled: true, cancel: '.ed-tools', threshold: 4 }}
          resizeConfig={{ enabled: true, handles: ['se', 's', 'e'] }}
          compactor={verticalCompactor}
          onDragStop={placed('move')}
          onResizeStop={placed('resize')}
        >
          {tiles(false)}
        </ReactGridLayout>
      ) : null}
    </div>
  );
}

/** How early a reader meets a panel. */
function order(draft: Draft, id: string | null): number {
  const panel = draft.panels.find((each) => each.id === id);
  return panel === undefined ? 0 : panel.y * GRID_COLUMNS + panel.x;
}
