/** Fields of more than one value: several of a list, one for each column, a level for each state. */

import { useId, useState } from 'react';
import { Field } from './fields';

interface FlagProps {
  readonly label: string;
  readonly value: boolean;
  readonly onChange: (value: boolean) => void;
}

export function FlagField({ label, value, onChange }: FlagProps) {
  return (
    <label className="ed-check">
      <input type="checkbox" checked={value} onChange={({ target }) => onChange(target.checked)} />
      {label}
    </label>
  );
}

interface AnyProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly problem?: string | undefined;
  readonly of: readonly string[];
  readonly value: readonly string[];
  readonly onChange: (value: readonly string[] | undefined) => void;
}

/** Any of a list; the order in which they are chosen is kept, for columns stand in it. */
export function AnyField({ label, hint, problem, of, value, onChange }: AnyProps) {
  const all = [...new Set([...of, ...value])];
  const toggle = (each: string, on: boolean) => {
    const next = on ? [...value, each] : value.filter((other) => other !== each);
    onChange(next.length === 0 ? undefined : next);
  };
  return all.length === 0 ? null : (
    <fieldset className="field ed-group">
      <legend>{label}</legend>
      <div className="ed-chips">
        {all.map((each) => (
          <label key={each} className="ed-chip">
            <input
              type="checkbox"
              checked={value.includes(each)}
              onChange={({ target }) => toggle(each, target.checked)}
            />
            {each}
          </label>
        ))}
      </div>
      <Note hint={hint} problem={problem} />
    </fieldset>
  );
}

interface ByColumnProps {
  readonly label: string;
  readonly of: 'text' | 'number';
  readonly choices?: readonly string[] | undefined;
  readonly value: { readonly [column: string]: unknown };
  readonly columns: readonly string[];
  readonly onChange: (next: object | undefined) => void;
}

/** A line for each column that there is or that has a value. */
export function ByColumnField({ label, of, choices, value, columns, onChange }: ByColumnProps) {
  const listId = useId();
  const names = [...new Set([...columns, ...Object.keys(value)])];
  const write = (column: string, typed: string) => {
    const read = of === 'number' && /^\d+$/.test(typed) ? Number(typed) : typed;
    const next = Object.entries({ ...value, [column]: read }).filter(([, each]) => each !== '');
    onChange(next.length === 0 ? undefined : Object.fromEntries(next));
  };
  return names.length === 0 ? null : (
    <fieldset className="field ed-group">
      <legend>{label}</legend>
      <div className="ed-columns">
        {names.map((column) => (
          <Field key={column} label={column}>
            {(id) => (
              <input
                id={id}
                className="input"
                value={String(value[column] ?? '')}
                list={choices === undefined ? undefined : listId}
                inputMode={of === 'number' ? 'numeric' : undefined}
                onChange={({ target }) => write(column, target.value)}
                autoComplete="off"
              />
            )}
          </Field>
        ))}
      </div>
      {choices === undefined ? null : (
        <datalist id={listId}>
          {choices.map((choice) => (
            <option key={choice} value={choice} />
          ))}
        </datalist>
      )}
    </fieldset>
  );
}

interface StatesProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly problem?: string | undefined;
  readonly value: { readonly [name: string]: unknown };
  readonly byColumn: boolean;
  readonly onChange: (next: object | undefined) => void;
}

/** A line for each state: `paid = ok`, or `status.paid = ok` where it is by column. What cannot be read yet goes nowhere. */
export function StatesField({ label, hint, problem, value, byColumn, onChange }: StatesProps) {
  const [text, setText] = useState(() => writeStates(value, byColumn));
  const change = (typed: string) => {
    setText(typed);
    const read = readStates(typed, byColumn);
    if (read !== null) {
      onChange(Object.keys(read).length === 0 ? undefined : read);
    }
  };
  const example = byColumn ? 'status.paid = ok' : 'up = ok';
  return (
    <Field label={label} hint={hint ?? 'ok, warning, critical or neutral, a line each'} problem={problem}>
      {(id, describedBy) => (
        <textarea
          id={id}
          className="input ed-states"
          value={text}
          placeholder={example}
          onChange={({ target }) => change(target.value)}
          aria-describedby={describedBy}
          spellCheck={false}
        />
      )}
    </Field>
  );
}

export function writeStates(value: { readonly [name: string]: unknown }, byColumn: boolean): string {
  const lines = Object.entries(value).flatMap(([name, level]) =>
    byColumn
      ? Object.entries((level ?? {}) as object).map(([state, each]) => `${name}.${state} = ${each}`)
      : [`${name} = ${level}`],
  );
  return lines.join('\n');
}

/** Null while a line is not finished. */
export function readStates(text: string, byColumn: boolean): { [name: string]: unknown } | null {
  const read: { [name: string]: unknown } = {};
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const found = /^\s*(?:([^.=]+)\.)?([^=]+?)\s*=\s*(ok|warning|critical|neutral)\s*$/.exec(line);
    const [, column, state = '', level] = found ?? [];
    if (found === null || (column !== undefined) !== byColumn) {
      return null;
    }
    if (column === undefined) {
      read[state] = level;
    } else {
      read[column] = { ...(read[column] as object | undefined), [state]: level };
    }
  }
  return read;
}

function Note({ hint, problem }: { readonly hint?: string | undefined; readonly problem?: string | undefined }) {
  const note = problem ?? hint;
  return note === undefined ? null : (
    <p className="field-hint" data-wrong={problem !== undefined}>
      {note}
    </p>
  );
}
