/** Somebody else changed the file: what they did, what is here, and what is to be kept of both. */

import { Dialog } from '../forms';
import { EMPTY } from './draft';
import { changesBetween, merge } from './merge';
import type { Conflict, Editor } from './useEditor';

interface ConflictDialogProps {
  readonly editor: Editor;
  readonly conflict: Conflict;
}

export function ConflictDialog({ editor, conflict }: ConflictDialogProps) {
  const { file, draft, rebase, dismissConflict } = editor;
  const { theirs } = conflict;
  const base = file?.draft ?? EMPTY;
  if (theirs === null) {
    return <GoneDialog editor={editor} />;
  }
  const both = merge(base, draft, theirs.draft);
  return (
    <Dialog
      title="This board was changed meanwhile"
      wide
      onClose={dismissConflict}
      actions={
        <>
          <button type="button" className="button" onClick={dismissConflict}>
            Decide later
          </button>
          <span className="flex-1" />
          <button
            type="button"
            className="button"
            onClick={() => rebase(theirs, theirs.draft, 'take the file as it is')}
          >
            Take theirs
          </button>
          <button type="button" className="button" onClick={() => rebase(theirs, draft, 'keep mine')}>
            Keep mine
          </button>
          <button
            type="button"
            className="button-primary"
            onClick={() => rebase(theirs, both.draft, 'put both together')}
          >
            Put both together
          </button>
        </>
      }
    >
      <div className="ed-two">
        <Changes title="In the file" changes={changesBetween(base, theirs.draft)} />
        <Changes title="Here" changes={changesBetween(base, draft)} />
      </div>
      <p className="field-hint">
        {both.contested.length === 0
          ? 'Nothing was changed on both sides. Nothing is written until you save, and each choice can be undone.'
          : `Changed on both sides: ${both.contested.join(', ')}. Put together, yours stand there. Nothing is written until you save.`}
      </p>
    </Dialog>
  );
}

function Changes({ title, changes }: { readonly title: string; readonly changes: readonly string[] }) {
  return (
    <section>
      <h3>{title}</h3>
      <ul>
        {changes.length === 0 ? <li>nothing that shows</li> : changes.map((change) => <li key={change}>{change}</li>)}
      </ul>
    </section>
  );
}

function GoneDialog({ editor }: { readonly editor: Editor }) {
  const { draft, rebase, dismissConflict } = editor;
  return (
    <Dialog
      title="This board’s file is gone"
      onClose={dismissConflict}
      actions={
        <>
          <button type="button" className="button" onClick={dismissConflict}>
            Decide later
          </button>
          <button type="button" className="button-primary" onClick={() => rebase(null, draft, 'keep mine')}>
            Keep what is here
          </button>
        </>
      }
    >
      <p>Somebody deleted it. What is here stays until you leave, and saving writes it again.</p>
    </Dialog>
  );
}
