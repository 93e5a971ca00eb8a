/** The editor's buttons in the top bar. */

import { SettingsIcon } from '../shared/icons';
import { CheckIcon, PlusIcon, RedoIcon, UndoIcon } from '../shared/rareIcons';
import type { Editor } from './useEditor';

interface EditorBarProps {
  readonly editor: Editor;
  readonly onAdd: () => void;
  readonly onSettings: () => void;
  readonly onSave: () => void;
  readonly onDone: () => void;
}

export function EditorBar({ editor, onAdd, onSettings, onSave, onDone }: EditorBarProps) {
  const { undoable, redoable, dirty, saving, file } = editor;
  const readOnly = file?.readOnly != null;
  return (
    <div className="ed-bar">
      <button type="button" className="button" onClick={onAdd} title="Add a panel (A)">
        <PlusIcon size={14} />
        <span className="max-sm:sr-only">Add panel</span>
      </button>
      <button
        type="button"
        className="icon-button"
        onClick={editor.undo}
        disabled={undoable === null}
        aria-label={undoable === null ? 'Undo' : `Undo: ${undoable}`}
        title={undoable === null ? 'Nothing to undo' : `Undo: ${undoable} (Ctrl Z)`}
      >
        <UndoIcon size={15} />
      </button>
      <button
        type="button"
        className="icon-button"
        onClick={editor.redo}
        disabled={redoable === null}
        aria-label={redoable === null ? 'Redo' : `Redo: ${redoable}`}
        title={redoable === null ? 'Nothing to redo' : `Redo: ${redoable} (Ctrl Shift Z)`}
      >
        <RedoIcon size={15} />
      </button>
      <button
        type="button"
        className="icon-button"
        onClick={onSettings}
        aria-label="Board settings"
        title="Board settings"
      >
        <SettingsIcon size={15} />
      </button>
      <button type="button" className="button" onClick={onDone} title="Back to the board">
        <CheckIcon size={14} />
        <span className="max-sm:sr-only">Done</span>
      </button>
      <button
        type="button"
        className="button-primary"
        onClick={onSave}
        disabled={saving || (!dirty && !readOnly)}
        title="Save (Ctrl S)"
      >
        {readOnly ? 'Save a copy' : 'Save'}
        <kbd>Ctrl S</kbd>
      </button>
    </div>
  );
}
