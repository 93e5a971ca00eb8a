/**
 * A panel on the editor's grid: its live picture, and over it what it is gripped, moved and chosen by.
 *
 * The cover is one button, so that the keyboard has one place per panel and the chart below gets no clicks.
 */

import { type KeyboardEvent, memo, useEffect, useRef } from 'react';
import { EditIcon } from '../shared/icons';
import { CopyIcon, TrashIcon } from '../shared/rareIcons';
import type { DraftPanel } from './draft';
import { type Direction, describePlace } from './layout';
import { typeLabel } from './optionSpecs';
import { Picture, type Scene } from './picture';

/** What can be done to a panel. */
export interface TileActions {
  readonly select: (id: string | null) => void;
  /** Whether the focus was to go to this panel as soon as it is drawn; says so once. */
  readonly takeFocus: (id: string) => boolean;
  readonly open: (id: string) => void;
  readonly duplicate: (id: string) => void;
  readonly remove: (id: string) => void;
  readonly move: (id: string, direction: Direction) => void;
  readonly resize: (id: string, direction: Direction) => void;
}

interface TileProps {
  readonly panel: DraftPanel;
  readonly scene: Scene;
  readonly selected: boolean;
  readonly actions: TileActions;
  /** Whether panels lie below each other and move up and down only. */
  readonly stacked: boolean;
}

const DIRECTIONS: Record<string, Direction> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
};

/** The id of the sentence that says what keys do, once on the page. */
export const KEYS_HINT_ID = 'ed-keys';

export const Tile = memo(function Tile({ panel, scene, selected, actions, stacked }: TileProps) {
  const { id, title } = panel;
  const cover = useRef<HTMLButtonElement>(null);
  // The grid draws its panels when it knows its width, later than the page.
  useEffect(() => {
    if (cover.current !== null && actions.takeFocus(id)) {
      cover.current.focus();
      cover.current.scrollIntoView({ block: 'nearest' });
    }
  });
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const direction = DIRECTIONS[event.key];
    if (direction !== undefined) {
      event.preventDefault();
      (event.shiftKey ? actions.resize : actions.move)(id, direction);
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      event.preventDefault();
      actions.remove(id);
    } else if (event.key === 'd') {
      event.preventDefault();
      actions.duplicate(id);
    }
  };
  return (
    <div className="ed-tile" data-selected={selected}>
      {/* The cover stands for it: nothing below takes the focus, a click or a reader's attention. */}
      <div className="ed-picture" inert>
        <Picture panel={panel} scene={scene} />
      </div>
      <button
        ref={cover}
        type="button"
        className="ed-cover"
        data-panel={id}
        aria-label={`${title}, ${typeLabel(panel.type)}, ${describePlace(panel)}`}
        aria-describedby={KEYS_HINT_ID}
        onKeyDown={onKey}
        onFocus={() => actions.select(id)}
        // Enter and Space come as clicks that no pointer made.
        onClick={(event) => (event.detail === 0 ? actions.open(id) : actions.select(id))}
        onDoubleClick={() => actions.open(id)}
      />
      <div className="ed-tools" role="toolbar" aria-label={title}>
        {stacked ? (
          <>
            <Tool label={`Move ${title} up`} onClick={() => actions.move(id, 'up')}>
              ↑
            </Tool>
            <Tool label={`Move ${title} down`} onClick={() => actions.move(id, 'down')}>
              ↓
            </Tool>
          </>
        ) : null}
        <Tool label={`Edit ${title}`} onClick={() => actions.open(id)}>
          <EditIcon size={14} />
        </Tool>
        <Tool label={`Duplicate ${title}`} onClick={() => actions.duplicate(id)}>
          <CopyIcon size={14} />
        </Tool>
        <Tool label={`Delete ${title}`} onClick={() => actions.remove(id)}>
          <TrashIcon size={14} />
        </Tool>
      </div>
    </div>
  );
});

interface ToolProps {
  readonly label: string;
  readonly onClick: () => void;
  readonly children: React.ReactNode;
}

/** The keyboard has keys for these; they are no stops of its way through the page. */
function Tool({ label, onClick, children }: ToolProps) {
  return (
    <button type="button" className="icon-button" tabIndex={-1} aria-label={label} title={label} onClick={onClick}>
      {children}
    </button>
  );
}
