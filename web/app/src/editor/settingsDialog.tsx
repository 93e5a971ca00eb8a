/** What is said of a board as a whole, and what can be done with its file: name, copy, text, removal. */

import { useState } from 'react';
import { Dialog, TextField } from '../forms';
import { ApiError } from '../shared/api';
import { SaveAsDialog } from './dialogs';
import { changeBoard } from './draft';
import { files } from './files';
import type { Editor } from './useEditor';
import { VariableFields } from './variableFields';

interface SettingsProps {
  readonly editor: Editor;
  readonly leave: (to: string) => void;
  readonly close: () => void;
}

export function SettingsDialog({ editor, leave, close }: SettingsProps) {
  const { id, file, draft, change, problems } = editor;
  const [next, setNext] = useState<'rename' | 'copy' | 'delete' | 'import' | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const problemOf = (key: string) => problems.find((each) => each.key === key)?.what;
  if (next === 'rename' || next === 'copy') {
    return <SaveAsDialog editor={editor} rename={next === 'rename'} leave={leave} close={close} />;
  }
  if (next === 'delete' && id !== null) {
    return <DeleteDialog id={id} title={draft.title} hash={file?.hash ?? null} leave={leave} close={close} />;
  }
  if (next === 'import') {
    return <ImportDialog editor={editor} close={close} />;
  }
  const exportIt = async () => {
    try {
      download(`${id ?? 'board'}.toml`, await files.exportToml(id ?? 'board', editor.dirty ? draft : null));
    } catch (error) {
      setProblem(said(error));
    }
  };
  const readOnly = file?.readOnly != null;
  return (
    <Dialog
      title="Board settings"
      wide
      onClose={close}
      onSubmit={close}
      actions={
        <button type="submit" className="button-primary">
          Close
        </button>
      }
    >
      <TextField
        label="Title"
        value={draft.title}
        onChange={(title) => change(changeBoard(draft, { title }), 'rename the board', 'title')}
        problem={problemOf('title')}
        focus
      />
      <TextField
        label="Description"
        value={draft.description ?? ''}
        onChange={(description) => change(changeBoard(draft, { description }), 'describe the board', 'description')}
        problem={problemOf('description')}
      />
      <TextField
        label="Time zone"
        value={draft.timezone ?? ''}
        onChange={(timezone) => change(changeBoard(draft, { timezone }), 'change the time zone', 'timezone')}
        choices={Intl.supportedValuesOf('timeZone')}
        hint="where its days begin"
        problem={problemOf('timezone')}
      />
      <VariableFields draft={draft} change={change} problemOf={problemOf} />
      {problem === null ? null : (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="ed-actions">
        <button type="button" className="button" onClick={() => void exportIt()}>
          Export TOML
        </button>
        <button type="button" className="button" onClick={() => setNext('import')}>
          Import TOML
        </button>
        {id === null ? null : (
          <>
            <button type="button" className="button" onClick={() => setNext('copy')}>
              Save a copy
            </button>
            <button type="button" className="button" disabled={readOnly} onClick={() => setNext('rename')}>
              Rename its file
            </button>
            <button
              type="button"
              className="button button-danger"
              disabled={readOnly}
              onClick={() => setNext('delete')}
            >
              Delete
            </button>
          </>
        )}
      </div>
    </Dialog>
  );
}

interface DeleteProps {
  readonly id: string;
  readonly title: string;
  readonly hash: string | null;
  readonly leave: (to: string) => void;
  readonly close: () => void;
}

function DeleteDialog({ id, title, hash, leave, close }: DeleteProps) {
  const [problem, setProblem] = useState<string | null>(null);
  const remove = async () => {
    try {
      await files.remove(id, hash);
      leave('#/');
    } catch (error) {
      setProblem(said(error));
    }
  };
  return (
    <Dialog
      title={`Delete “${title}”?`}
      onClose={close}
      actions={
        <>
          <button type="button" className="button" onClick={close}>
            Keep it
          </button>
          <button type="button" className="button button-danger" onClick={() => void remove()}>
            Delete {id}.toml
          </button>
        </>
      }
    >
      <p>The file {id}.toml is removed for everybody. The events that it shows stay.</p>
      {problem === null ? null : (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </Dialog>
  );
}

function ImportDialog({ editor, close }: { readonly editor: Editor; readonly close: () => void }) {
  const [text, setText] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const take = async () => {
    try {
      editor.change(await files.importToml(editor.id ?? 'imported', text), 'import a board');
      close();
    } catch (error) {
      setProblem(said(error));
    }
  };
  return (
    <Dialog
      title="Import a board"
      wide
      onClose={close}
      onSubmit={() => void take()}
      actions={
        <>
          <button type="button" className="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" className="button-primary" disabled={text.trim() === ''}>
            Take it
          </button>
        </>
      }
    >
      <input
        type="file"
        className="ed-file"
        accept=".toml,application/toml"
        aria-label="A board’s file"
        onChange={({ target }) => void target.files?.[0]?.text().then(setText)}
      />
      <textarea
        className="input ed-toml"
        aria-label="TOML of a board"
        placeholder={'title = "Orders"'}
        value={text}
        spellCheck={false}
        onChange={({ target }) => setText(target.value)}
      />
      {problem === null ? (
        <p className="field-hint">It takes the place of what is here; nothing is written until you save.</p>
      ) : (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </Dialog>
  );
}

function download(name: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/toml' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function said(error: unknown): string {
  if (!(error instanceof ApiError)) {
    throw error;
  }
  return error.message;
}
