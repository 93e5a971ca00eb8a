/**
 * Undo and redo: the states that were, and what led from each to the next.
 *
 * Pure values. Typing is one step per field: changes with the same `group` in a row are undone together.
 */

/** More steps than anybody takes back; older ones are forgotten. */
const STEPS_MAX = 200;

interface Step<T> {
  readonly state: T;
  /** What was done to `state` to leave it, for a person: `move CPU`. */
  readonly what: string;
}

export interface History<T> {
  readonly present: T;
  readonly past: readonly Step<T>[];
  readonly future: readonly Step<T>[];
  readonly group: string | null;
}

export function begin<T>(present: T): History<T> {
  return { present, past: [], future: [], group: null };
}

/** Makes a state the present one. Does nothing if it is that already. */
export function commit<T>(history: History<T>, state: T, what: string, group: string | null = null): History<T> {
  if (state === history.present) {
    return history;
  }
  if (group !== null && group === history.group) {
    return { ...history, present: state, future: [] };
  }
  const past = [...history.past, { state: history.present, what }].slice(-STEPS_MAX);
  return { present: state, past, future: [], group };
}

export function undo<T>(history: History<T>): History<T> {
  const step = history.past.at(-1);
  if (step === undefined) {
    return history;
  }
  return {
    present: step.state,
    past: history.past.slice(0, -1),
    future: [...history.future, { state: history.present, what: step.what }],
    group: null,
  };
}

export function redo<T>(history: History<T>): History<T> {
  const step = history.future.at(-1);
  if (step === undefined) {
    return history;
  }
  return {
    present: step.state,
    past: [...history.past, { state: history.present, what: step.what }],
    future: history.future.slice(0, -1),
    group: null,
  };
}

/** What `undo` would take back. */
export function undoable<T>(history: History<T>): string | null {
  return history.past.at(-1)?.what ?? null;
}

/** What `redo` would do again. */
export function redoable<T>(history: History<T>): string | null {
  return history.future.at(-1)?.what ?? null;
}
