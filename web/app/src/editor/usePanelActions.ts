/** What can be done to panels, said aloud, with the focus where the hands expect it next. */

import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { NewPanel } from '../shared/handoff';
import { addPanel, type DraftPanel, duplicatePanel, panelOf, placePanels, removePanel } from './draft';
import { compacted, type Direction, describePlace, moved, type Places, resized } from './layout';
import type { TileActions } from './tile';
import type { Editor } from './useEditor';

/** How long the way back is offered after deleting. */
const REMOVED_MS = 8_000;

const EDGE: Record<Direction, string> = {
  left: 'at the left edge',
  right: 'at the right edge',
  up: 'at the top',
  down: 'at the bottom',
};

export function usePanelActions(editor: Editor, first: string | null) {
  const [selected, setSelected] = useState<string | null>(null);
  const [open, setOpenId] = useState(first);
  const [removed, setRemoved] = useState<string | null>(null);
  const now = useRef({ editor, open });
  now.current = { editor, open };
  const focusNext = useRef<string | null>(null);

  const setOpen = useCallback((id: string | null) => {
    if (id === null && now.current.open !== null) {
      focusNext.current = now.current.open;
    }
    setOpenId(id);
  }, []);

  useEffect(() => {
    if (removed !== null) {
      const timer = setTimeout(() => setRemoved(null), REMOVED_MS);
      return () => clearTimeout(timer);
    }
  }, [removed]);

  const placed = useCallback((places: Places, id: string, what: 'move' | 'resize') => {
    const { draft, change, say } = now.current.editor;
    const panel = panelOf(draft, id);
    const place = places.get(id);
    if (panel !== undefined && place !== undefined) {
      change(placePanels(draft, places), `${what} ${panel.title}`);
      say(`${panel.title}: ${describePlace(place)}`);
    }
  }, []);

  const step = useCallback(
    (id: string, direction: Direction, what: 'move' | 'resize') => {
      const { draft, say } = now.current.editor;
      const panel = panelOf(draft, id);
      const places = (what === 'move' ? moved : resized)(draft.panels, id, direction);
      if (places === null) {
        say(`${panel?.title ?? ''}: ${what === 'move' ? `already ${EDGE[direction]}` : 'cannot be resized further'}`);
        return;
      }
      focusNext.current = id;
      placed(places, id, what);
    },
    [placed],
  );

  const add = useCallback((panel: NewPanel) => {
    const { draft, change, say } = now.current.editor;
    const added = addPanel(draft, panel);
    change(added.draft, `add ${panel.title}`);
    say(`Added ${panel.title}`);
    setSelected(added.id);
    setOpenId(added.id);
  }, []);

  const actions = useMemo<TileActions>(
    () => ({
      select: setSelected,
      takeFocus(id) {
        const mine = focusNext.current === id;
        if (mine) {
          focusNext.current = null;
        }
        return mine;
      },
      open: setOpenId,
      move: (id, direction) => step(id, direction, 'move'),
      resize: (id, direction) => step(id, direction, 'resize'),
      duplicate(id) {
        const { draft, change, say } = now.current.editor;
        const copy = duplicatePanel(draft, id);
        const { title } = panelOf(copy.draft, copy.id) ?? { title: '' };
        change(copy.draft, `duplicate ${panelOf(draft, id)?.title ?? ''}`);
        say(`Added ${title}`);
        focusNext.current = copy.id;
      },
      remove(id) {
        const { draft, change, say } = now.current.editor;
        const panel = panelOf(draft, id);
        if (panel === undefined) {
          return;
        }
        const left = removePanel(draft, id);
        change(placePanels(left, compacted(left.panels)), `delete ${panel.title}`);
        say(`Deleted ${panel.title}. Control Z brings it back.`);
        setRemoved(panel.title);
        focusNext.current = nextTo(draft.panels, id);
      },
    }),
    [step],
  );

  const undoRemove = useCallback(() => {
    now.current.editor.undo();
    setRemoved(null);
  }, []);

  return { selected, open, setOpen, removed, undoRemove, placed, add, actions };
}

/** The panel that the focus goes to when one is taken away. */
function nextTo(panels: readonly DraftPanel[], id: string): string | null {
  const index = panels.findIndex((panel) => panel.id === id);
  return (panels[index + 1] ?? panels[index - 1])?.id ?? null;
}
