/**
 * The state of the editor: the file as it was read, the draft with its steps, what is being done, and what the server said.
 *
 * Talks to the server through `files`; what is on the screen is others' business.
 */

import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { ApiError } from '../shared/api';
import { type Draft, EMPTY, sameDraft } from './draft';
import { type BoardFile, conflictOf, type FieldProblem, files, problemsOf } from './files';
import { begin, commit, type History, redo, redoable, undo, undoable } from './history';

/** Somebody else changed the file since it was read here. */
export interface Conflict {
  /** The file as it is now; null if it is gone. */
  readonly theirs: BoardFile | null;
  /** Whether it was found out by trying to save. */
  readonly onSave: boolean;
}

export interface Editor {
  /** The name of the board; null until it has one. */
  readonly id: string | null;
  readonly file: BoardFile | null;
  readonly draft: Draft;
  readonly dirty: boolean;
  readonly undoable: string | null;
  readonly redoable: string | null;
  readonly saving: boolean;
  /** Why the board could not be read or saved, for a person. */
  readonly problem: string | null;
  /** What is wrong with which fields of the draft. */
  readonly problems: readonly FieldProblem[];
  readonly conflict: Conflict | null;
  /** Said to whoever cannot see it, the newest last. */
  readonly announced: string;
  readonly change: (draft: Draft, what: string, group?: string) => void;
  readonly undo: () => void;
  readonly redo: () => void;
  readonly say: (text: string) => void;
  /** Saves under its name, or under `as`; resolves with whether it was saved. */
  readonly save: (how?: SaveAs) => Promise<boolean>;
  /** Takes the file as the base of what is here: saving goes over it. */
  readonly rebase: (theirs: BoardFile | null, draft: Draft, what: string) => void;
  readonly dismissConflict: () => void;
  readonly look: () => void;
}

export interface SaveAs {
  readonly id: string;
  /** Takes the old name away. */
  readonly rename?: boolean;
}

type Step = (history: History<Draft>) => History<Draft>;

const CHECK_PAUSE_MS = 500;

export function useEditor(name: string | null): Editor {
  const [id, setId] = useState(name);
  const [file, setFile] = useState<BoardFile | null>(null);
  const [history, step] = useReducer((held: History<Draft>, next: Step) => next(held), begin(EMPTY));
  const [saving, setSaving] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const [announced, say] = useState('');
  const base = file?.draft ?? EMPTY;
  const draft = history.present;
  const dirty = useMemo(() => !sameDraft(draft, base), [draft, base]);
  const now = useRef({ id, file, history, dirty });
  now.current = { id, file, history, dirty };

  const look = useCallback(async () => {
    const { id: asked, file: known } = now.current;
    if (asked === null) {
      return;
    }
    try {
      const found = await files.load(asked);
      const { dirty: changed, id: current } = now.current;
      if (current !== asked || (known !== null && found.hash === known.hash)) {
        setProblem(null);
        return;
      }
      setProblem(null);
      if (known === null || !changed) {
        setFile(found);
        step(() => begin(found.draft));
        if (known !== null) {
          say('The board’s file was changed; this is how it is now.');
        }
      } else {
        setConflict({ theirs: found, onSave: false });
      }
    } catch (error) {
      setProblem(said(error));
    }
  }, []);
  useEffect(() => void look(), [look]);

  const [checked, setChecked] = useState<readonly FieldProblem[]>([]);
  useEffect(() => {
    if (!dirty) {
      setChecked([]);
      return;
    }
    const gone = new AbortController();
    const timer = setTimeout(() => {
      // A board without a name yet is checked under one that nobody has.
      files.check(id ?? 'unnamed', draft, gone.signal).then(setChecked, () => {});
    }, CHECK_PAUSE_MS);
    return () => {
      clearTimeout(timer);
      gone.abort();
    };
  }, [dirty, draft, id]);

  const change = useCallback((next: Draft, what: string, group?: string) => {
    step((held) => commit(held, next, what, group ?? null));
  }, []);

  const save = useCallback(async (how?: SaveAs): Promise<boolean> => {
    const { id: from, file: known, history: held } = now.current;
    const to = how?.id ?? from;
    if (to === null) {
      return false;
    }
    const renames = how?.rename === true && from !== null && to !== from;
    const known_hash = to === from || renames ? (known?.hash ?? null) : null;
    setSaving(true);
    try {
      const saved = await files.save(to, held.present, {
        expected: known_hash === null ? 'nothing' : { hash: known_hash },
        ...(renames ? { renameFrom: from } : {}),
      });
      setFile(saved);
      setId(to);
      setProblem(null);
      setConflict(null);
      setChecked([]);
      say('Saved.');
      return true;
    } catch (error) {
      const theirs = to === from ? conflictOf(to, error) : null;
      if (theirs === null) {
        setProblem(said(error));
        setChecked(problemsOf(error));
      } else {
        setConflict({ theirs: theirs === 'gone' ? null : theirs, onSave: true });
      }
      return false;
    } finally {
      setSaving(false);
    }
  }, []);

  const rebase = useCallback((theirs: BoardFile | null, next: Draft, what: string) => {
    setFile(theirs);
    step((held) => commit(held, next, what));
    setConflict(null);
    setProblem(null);
  }, []);

  const back = useCallback(() => {
    const what = undoable(now.current.history);
    if (what !== null) {
      step(undo);
      say(`Undone: ${what}`);
    }
  }, []);
  const forth = useCallback(() => {
    const what = redoable(now.current.history);
    if (what !== null) {
      step(redo);
      say(`Done again: ${what}`);
    }
  }, []);

  return {
    id,
    file,
    draft,
    dirty,
    undoable: undoable(history),
    redoable: redoable(history),
    saving,
    problem,
    problems: checked,
    conflict,
    announced,
    change,
    undo: back,
    redo: forth,
    say,
    save,
    rebase,
    dismissConflict: useCallback(() => setConflict(null), []),
    look,
  };
}

function said(error: unknown): string {
  if (!(error instanceof ApiError)) {
    throw error;
  }
  return error.message;
}
