/**
 * The board editor: a board as its file would be, on a grid that can be changed by mouse and by keyboard.
 *
 * Puts the parts together and says which key does what. State and server are `useEditor`'s, drawing is the board's.
 */

import { useCallback, useEffect, useRef, useState } from 'react';
import { takeHandoff } from '../shared/handoff';
import { WarningIcon } from '../shared/icons';
import { BackIcon } from '../shared/rareIcons';
import { go, guardLeaving, isTyping, TopBar } from '../shell';
import { AddDialog } from './addDialog';
import { EditorBar } from './bar';
import { Canvas } from './canvas';
import { ConflictDialog } from './conflictDialog';
import { LeaveDialog, SaveAsDialog } from './dialogs';
import { changeBoard, panelOf } from './draft';
import { PanelForm } from './panelForm';
import { SettingsDialog } from './settingsDialog';
import { KEYS_HINT_ID } from './tile';
import { useEditor } from './useEditor';
import { usePanelActions } from './usePanelActions';
import { useScene } from './useScene';

/** How often it is looked whether the file was changed by somebody else. */
const LOOK_EVERY_MS = 2_000;

type Asked = { readonly what: 'add' | 'settings' | 'save-as' } | { readonly what: 'leave'; readonly to: string };

interface EditorPageProps {
  /** Null for a board that has no name yet. */
  readonly board: string | null;
  /** Which panel's form is open at first. */
  readonly panel: string | null;
}

export function EditorPage({ board, panel }: EditorPageProps) {
  const editor = useEditor(board);
  const { id, file, draft, dirty, save, undo, redo, change, look } = editor;
  const [asked, setAsked] = useState<Asked | null>(null);
  const panels = usePanelActions(editor, panel);
  const { open, setOpen } = panels;
  const scene = useScene(draft, file);
  const edited = open === null ? undefined : panelOf(draft, open);
  const leaving = useRef(false);

  const trySave = useCallback(async () => {
    if (id === null || file?.readOnly != null) {
      setAsked({ what: 'save-as' });
      return;
    }
    await save();
  }, [id, file, save]);

  useEffect(() => {
    if (dirty) {
      return guardLeaving((to) => {
        if (leaving.current) {
          return true;
        }
        setAsked({ what: 'leave', to });
        return false;
      });
    }
  }, [dirty]);

  useEffect(() => {
    const timer = setInterval(() => void (document.visibilityState === 'visible' && look()), LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [look]);

  // What the explorer wants to have as a panel comes once, when the board is there.
  const loaded = board === null || file !== null;
  const { add } = panels;
  useEffect(() => {
    const handed = loaded ? takeHandoff() : null;
    if (handed !== null) {
      add(handed);
    }
  }, [loaded, add]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const mod = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      if (mod && key === 's') {
        event.preventDefault();
        void trySave();
      } else if (document.querySelector('dialog[open]') !== null) {
        return;
      } else if (mod && (key === 'z' || key === 'y') && !isTyping(event.target)) {
        event.preventDefault();
        (event.shiftKey || key === 'y' ? redo : undo)();
      } else if (event.key === 'Escape' && !event.defaultPrevented) {
        // Out of the query first: Escape is also what closes what it offers.
        const back = document.querySelector<HTMLElement>('.ed-back');
        if (back !== null && event.target instanceof HTMLElement && event.target.closest('.cm-editor') !== null) {
          back.focus();
        } else {
          setOpen(null);
        }
      } else if (!mod && !event.altKey && key === 'a' && !isTyping(event.target)) {
        event.preventDefault();
        setAsked({ what: 'add' });
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [trySave, undo, redo, setOpen]);

  const leave = useCallback((to: string) => {
    leaving.current = true;
    setAsked(null);
    location.hash = to;
  }, []);
  const home = id === null ? '#/' : `#/boards/${encodeURIComponent(id)}`;

  return (
    <>
      <TopBar
        title={
          edited === undefined ? (
            <input
              className="ed-title"
              aria-label="Title of the board"
              placeholder="Untitled board"
              value={draft.title}
              onChange={({ target }) =>
                change(changeBoard(draft, { title: target.value }), 'rename the board', 'title')
              }
            />
          ) : (
            <span className="flex items-center gap-1.5">
              <button
                type="button"
                className="icon-button ed-back -ml-1.5"
                aria-label="Back to the board"
                title="Back to the board (Esc)"
                onClick={() => setOpen(null)}
              >
                <BackIcon size={14} />
              </button>
              <span className="truncate">{edited.title || 'Panel'}</span>
            </span>
          )
        }
        context={contextOf(editor)}
      >
        <EditorBar
          editor={editor}
          onAdd={() => setAsked({ what: 'add' })}
          onSettings={() => setAsked({ what: 'settings' })}
          onSave={() => void trySave()}
          onDone={() => go(id === null ? { page: 'home' } : { page: 'board', board: id })}
        />
      </TopBar>
      <p id={KEYS_HINT_ID} hidden>
        Arrow keys move, with Shift they resize. Enter edits, D duplicates, Delete deletes.
      </p>
      <p className="sr-only" role="status">
        {editor.announced}
      </p>
      <Banner editor={editor} />
      {edited === undefined ? (
        <div className="relative">
          <Canvas scene={scene} selected={panels.selected} actions={panels.actions} onPlaced={panels.placed} />
          {draft.panels.length === 0 && loaded ? <Nothing onAdd={() => setAsked({ what: 'add' })} /> : null}
        </div>
      ) : (
        <PanelForm key={edited.id} panel={edited} scene={scene} problems={editor.problems} change={change} />
      )}
      {panels.removed === null ? null : (
        <div className="ed-toast" role="alert">
          <span>Deleted {panels.removed}</span>
          <button type="button" className="button" onClick={panels.undoRemove}>
            Undo <kbd>Ctrl Z</kbd>
          </button>
        </div>
      )}
      {asked?.what === 'add' ? <AddDialog add={panels.add} close={() => setAsked(null)} /> : null}
      {asked?.what === 'settings' ? (
        <SettingsDialog editor={editor} leave={leave} close={() => setAsked(null)} />
      ) : null}
      {asked?.what === 'save-as' ? <SaveAsDialog editor={editor} leave={leave} close={() => setAsked(null)} /> : null}
      {asked?.what === 'leave' ? (
        <LeaveDialog
          canSave={id !== null && file?.readOnly == null}
          save={async () => {
            if (await save()) {
              leave(asked.to);
            } else {
              setAsked(null);
            }
          }}
          leave={() => leave(asked.to || home)}
          close={() => setAsked(null)}
        />
      ) : null}
      {editor.conflict === null ? null : <ConflictDialog editor={editor} conflict={editor.conflict} />}
    </>
  );
}

function contextOf({ id, file, dirty, saving }: ReturnType<typeof useEditor>): string {
  if (saving) {
    return 'Saving …';
  }
  const where = id === null ? 'New board' : `${id}.toml`;
  const state =
    file?.readOnly != null ? 'read-only' : dirty ? 'changed, not saved' : id === null ? 'nothing yet' : 'saved';
  return `${where} · ${state}`;
}

/** What stands in the way of saving, in a line under the top bar. */
function Banner({ editor }: { readonly editor: ReturnType<typeof useEditor> }) {
  const { file, problem, problems, draft } = editor;
  const first = problems[0];
  const lines: string[] = [];
  if (problem !== null) {
    lines.push(problem);
  } else if (first !== undefined) {
    const index = /^panels\[(\d+)\]/.exec(first.key)?.[1];
    const title = index === undefined ? '' : `${draft.panels[Number(index)]?.title ?? ''}: `;
    lines.push(`${title}${first.what}`);
  }
  for (const { key, what } of file?.problems ?? []) {
    lines.push(`The file on disk cannot be used: ${key === '' ? '' : `${key}: `}${what}`);
  }
  if (file?.readOnly != null) {
    lines.push(`This board is read-only: ${file.readOnly}. Save a copy to keep what you change.`);
  }
  return lines.length === 0 ? null : (
    <div className="ed-banner" role="alert">
      <WarningIcon size={14} />
      <div>
        {lines.map((line) => (
          <p key={line}>{line}</p>
        ))}
      </div>
    </div>
  );
}

function Nothing({ onAdd }: { readonly onAdd: () => void }) {
  return (
    <div className="ed-nothing">
      <p>An empty board. A panel is a question in SQL and a way to draw its answer.</p>
      <button type="button" className="button-primary" onClick={onAdd}>
        Add a panel <kbd>A</kbd>
      </button>
    </div>
  );
}
