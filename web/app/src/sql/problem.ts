/** Why a query was refused, and where in its text. */

import { ApiError } from '../shared/apiError';

export interface QueryProblem {
  readonly message: string;
  /** Where in the text, from 1. */
  readonly place: { readonly line: number; readonly column: number } | null;
  /** Names that may have been meant. */
  readonly nearest: readonly string[];
}

/** Reads a refusal of the server; anything else is thrown on. */
export function readProblem(error: unknown): QueryProblem {
  if (!(error instanceof ApiError)) {
    throw error;
  }
  const { line, column, nearest } = error.details;
  const place = typeof line === 'number' && typeof column === 'number' ? { line, column } : null;
  const names = Array.isArray(nearest) ? nearest.filter((name) => typeof name === 'string') : [];
  return { message: error.message, place, nearest: names };
}
