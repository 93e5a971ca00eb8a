/** The questions on the way out: under which name to save, and what becomes of what was not saved. */

import { useState } from 'react';
import { Dialog, TextField } from '../forms';
import { isName, nameOf } from '../shared/names';
import type { Editor } from './useEditor';

interface SaveAsProps {
  readonly editor: Editor;
  /** Goes to another address without asking. */
  readonly leave: (to: string) => void;
  readonly close: () => void;
  /** Whether the board moves to the new name instead of being there twice. */
  readonly rename?: boolean;
}

export function SaveAsDialog({ editor, leave, close, rename = false }: SaveAsProps) {
  const { id, draft, save, saving, problem } = editor;
  const proposed = id === null ? nameOf(draft.title) : rename ? id : `${id}_copy`;
  const [name, setName] = useState(proposed);
  const [tried, setTried] = useState(false);
  const wrong = isName(name) ? undefined : 'letters, digits and _ - . only, and a letter first';
  const submit = async () => {
    setTried(true);
    if (wrong === undefined && (await save({ id: name, rename }))) {
      leave(`#/edit/${encodeURIComponent(name)}`);
    }
  };
  return (
    <Dialog
      title={id === null ? 'Save the board' : rename ? 'Rename the board' : 'Save a copy'}
      onClose={close}
      onSubmit={() => void submit()}
      actions={
        <>
          <button type="button" className="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" className="button-primary" disabled={saving}>
            {rename ? 'Rename' : 'Save'}
          </button>
        </>
      }
    >
      <TextField
        label="Name of its file and address"
        value={name}
        onChange={setName}
        focus
        problem={tried ? (wrong ?? problem ?? undefined) : undefined}
        hint={`${name || '…'}.toml · #/boards/${name || '…'}`}
      />
    </Dialog>
  );
}

interface LeaveProps {
  readonly canSave: boolean;
  readonly save: () => void;
  readonly leave: () => void;
  readonly close: () => void;
}

export function LeaveDialog({ canSave, save, leave, close }: LeaveProps) {
  return (
    <Dialog
      title="Leave without saving?"
      onClose={close}
      actions={
        <>
          <button type="button" className="button" onClick={close}>
            Stay
          </button>
          <span className="flex-1" />
          <button type="button" className="button button-danger" onClick={leave}>
            Discard changes
          </button>
          {canSave ? (
            <button type="button" className="button-primary" onClick={save}>
              Save and leave
            </button>
          ) : null}
        </>
      }
    >
      <p>This board has changes that are in no file yet.</p>
    </Dialog>
  );
}
