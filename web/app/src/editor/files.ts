/**
 * Boards and views as files of the server: read with their hash, checked, saved under the hash that was read, removed.
 *
 * Refusals are thrown as `ApiError`; the ones that the editor acts on are read here.
 */

import { API_URL, ApiError, type Board, request } from '../shared/api';
import { withToken } from '../shared/pass';
import { type Draft, toDefinition, toDraft } from './draft';

const TOML = 'application/toml';

/** A board as its file has it. */
export interface BoardFile {
  readonly id: string;
  readonly draft: Draft;
  /** What was served: panels with their channels. */
  readonly board: Board;
  /** Hash of the file; null if the board has none of its own. */
  readonly hash: string | null;
  /** Why it cannot be saved under its name; null if it can. */
  readonly readOnly: string | null;
  /** What is wrong with the file as it is on disk; the board is what it said before. */
  readonly problems: readonly FieldProblem[];
}

/** One thing that is wrong with a definition, and with what of it: `panels[2].sql`. */
export interface FieldProblem {
  readonly key: string;
  readonly what: string;
}

interface Served extends Board {
  readonly hash?: string | null;
  readonly editable?: boolean;
  readonly read_only?: string | null;
  readonly problems?: readonly FieldProblem[];
}

/** What must be there when it is saved: this file, or none. */
export type Expected = { readonly hash: string } | 'nothing';

interface SaveOptions {
  readonly expected: Expected;
  /** What the board was called before, if it gets another name. */
  readonly renameFrom?: string;
}

function read(id: string, served: Served): BoardFile {
  const why = served.editable === false ? (served.read_only ?? 'its file cannot be changed from here') : null;
  return {
    id,
    draft: toDraft(served),
    board: served,
    hash: served.hash ?? null,
    readOnly: why,
    problems: served.problems ?? [],
  };
}

const path = (id: string) => `boards/${encodeURIComponent(id)}`;

function headers(expected: Expected | null, type = 'application/json'): Record<string, string> {
  if (expected === null) {
    return { 'content-type': type };
  }
  const condition = expected === 'nothing' ? { 'if-none-match': '*' } : { 'if-match': `"${expected.hash}"` };
  return { 'content-type': type, ...condition };
}

export const files = {
  load: async (id: string): Promise<BoardFile> => read(id, await request<Served>(path(id), { cache: 'no-cache' })),

  save: async (id: string, draft: Draft, { expected, renameFrom }: SaveOptions): Promise<BoardFile> => {
    const query = renameFrom === undefined ? '' : `?${new URLSearchParams({ rename_from: renameFrom })}`;
    const body = JSON.stringify(toDefinition(draft));
    return read(id, await request<Served>(`${path(id)}${query}`, { method: 'PUT', headers: headers(expected), body }));
  },

  /** What would be wrong with a draft if it were saved; nothing is written. */
  check: async (id: string, draft: Draft, signal: AbortSignal): Promise<readonly FieldProblem[]> => {
    try {
      const body = JSON.stringify(toDefinition(draft));
      await request(`${path(id)}?dry_run=1`, { method: 'PUT', headers: headers(null), body, signal });
      return [];
    } catch (error) {
      return problemsOf(error);
    }
  },

  remove: (id: string, hash: string | null): Promise<unknown> =>
    request(path(id), { method: 'DELETE', headers: hash === null ? {} : { 'if-match': `"${hash}"` } }),

  /** The text that the file has, or would have if the draft were saved. */
  async exportToml(id: string, draft: Draft | null): Promise<string> {
    const init: RequestInit =
      draft === null
        ? // The page has the same board as JSON in its cache, under the same tag.
          { headers: { accept: TOML }, cache: 'no-store' }
        : {
            method: 'PUT',
            headers: { ...headers(null), accept: TOML },
            body: JSON.stringify(toDefinition(draft)),
          };
    const response = await fetch(new URL(`${path(id)}${draft === null ? '' : '?dry_run=1'}`, API_URL), withToken(init));
    if (!response.ok) {
      // The same request without the wish for a file says why in the usual words.
      await request(`${path(id)}${draft === null ? '' : '?dry_run=1'}`, { ...init, headers: headers(null) });
    }
    return response.text();
  },

  /** Reads the text of a board's file without saving it. */
  importToml: async (id: string, toml: string): Promise<Draft> => {
    const init = { method: 'PUT', headers: headers(null, TOML), body: toml };
    return read(id, await request<Served>(`${path(id)}?dry_run=1`, init)).draft;
  },
};

/** What is wrong with which fields; whatever else went wrong is no field's. */
export function problemsOf(error: unknown): readonly FieldProblem[] {
  if (!(error instanceof ApiError) || error.code !== 'bad_definition') {
    return [];
  }
  const { problems } = error.details;
  const list = Array.isArray(problems) ? problems : [];
  return list.filter((each): each is FieldProblem => typeof each?.key === 'string' && typeof each.what === 'string');
}

/** The file as somebody else left it, if that is why saving was refused. */
export function conflictOf(id: string, error: unknown): BoardFile | 'gone' | null {
  if (!(error instanceof ApiError) || error.code !== 'conflict') {
    return null;
  }
  const { current } = error.details;
  return typeof current === 'object' && current !== null ? read(id, current as Served) : 'gone';
}
