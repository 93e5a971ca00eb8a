/**
 * What may come next in a query: streams, the columns of the streams that it reads, functions, the board's variables.
 *
 * The SQL language's own completion knows keywords and what stands behind a dot; this adds the rest.
 */

import type { Completion, CompletionContext, CompletionResult, CompletionSource } from '@codemirror/autocomplete';
import { FUNCTIONS } from './functions';

export interface Catalogue {
  /** The columns of each stream. */
  readonly streams: { readonly [stream: string]: readonly SqlColumn[] };
  /** The names of a board's variables. */
  readonly variables: readonly string[];
}

export interface SqlColumn {
  readonly name: string;
  readonly type: string;
}

export const NOTHING: Catalogue = { streams: {}, variables: [] };

/** What the server adds to every stream's rows. */
const SYSTEM_COLUMNS: readonly SqlColumn[] = [
  { name: '_source_time', type: 'time' },
  { name: '_arrived_at', type: 'time' },
  { name: '_offset', type: 'int' },
];

/** Keywords in capitals, functions with what they take: how the language's own words are offered. */
export function wordCompletion(label: string, type: string): Completion {
  const known = FUNCTIONS.get(label);
  if (known !== undefined) {
    const apply = known.takes === '' ? `${label}()` : `${label}(`;
    return { label, type: 'function', detail: `(${known.takes})`, info: known.does, apply };
  }
  return type === 'keyword' ? { label: label.toUpperCase(), type, boost: -2 } : { label, type, boost: -3 };
}

/** The streams that a query names after FROM or JOIN, as far as it can be read while it is being typed. */
export function streamsIn(sql: string, known: readonly string[]): string[] {
  const named = [...sql.matchAll(/\b(?:from|join)\s+(?:"([^"]+)"|([\w.-]+))/gi)].map((found) => found[1] ?? found[2]);
  return known.filter((name) => named.some((each) => each === name || each?.toLowerCase() === name.toLowerCase()));
}

export function completionOf({ streams, variables }: Catalogue): CompletionSource {
  const names = Object.keys(streams);
  return (context: CompletionContext): CompletionResult | null => {
    const variable = context.matchBefore(/\$\w*/);
    if (variable !== null) {
      const options = [...variables, 'from', 'to', 'bucket'].map((name) => ({ label: `$${name}`, type: 'variable' }));
      return { from: variable.from, options, validFor: /^\$\w*$/ };
    }
    const word = context.matchBefore(/[\w]+/);
    const before = context.state.sliceDoc(0, word?.from ?? context.pos);
    // Behind a dot the language's own completion answers; inside a text nothing does.
    if ((word === null && !context.explicit) || /\.$/.test(before) || inText(before)) {
      return null;
    }
    const read = streamsIn(context.state.doc.toString(), names);
    const columns = new Map<string, Completion>();
    for (const stream of read.length > 0 ? read : []) {
      for (const { name, type } of [...(streams[stream] ?? []), ...SYSTEM_COLUMNS]) {
        columns.set(name, {
          label: name,
          type: 'property',
          detail: type,
          apply: quoted(name),
          boost: name.startsWith('_') ? 0 : 3,
        });
      }
    }
    return { from: word?.from ?? context.pos, options: [...columns.values()], validFor: /^\w*$/ };
  };
}

/** Names with anything unusual in them need quotes. */
export function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/i.test(name) && !/^(user|order|group|from|to|end|select|all)$/i.test(name)
    ? name
    : `"${name.replaceAll('"', '""')}"`;
}

function inText(before: string): boolean {
  return (before.match(/'/g)?.length ?? 0) % 2 === 1;
}
