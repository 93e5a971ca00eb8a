/** The fields that forms are made of: a label, a control, what is wrong with it. Values go out as they are typed. */

import { type ReactNode, useEffect, useId, useState } from 'react';

interface FieldProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly problem?: string | undefined;
  readonly children: (id: string, describedBy: string | undefined) => ReactNode;
}

export function Field({ label, hint, problem, children }: FieldProps) {
  const id = useId();
  const note = problem ?? hint;
  const noteId = `${id}-note`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id, note === undefined ? undefined : noteId)}
      {note === undefined ? null : (
        <p id={noteId} className="field-hint" data-wrong={problem !== undefined}>
          {note}
        </p>
      )}
    </div>
  );
}

interface TextProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (text: string) => void;
  readonly hint?: string | undefined;
  readonly problem?: string | undefined;
  readonly placeholder?: string | undefined;
  /** Offered while typing. */
  readonly choices?: readonly string[];
  readonly focus?: boolean;
}

export function TextField({ label, value, onChange, hint, problem, placeholder, choices, focus }: TextProps) {
  const listId = useId();
  return (
    <Field label={label} hint={hint} problem={problem}>
      {(id, describedBy) => (
        <>
          <input
            id={id}
            className="input"
            value={value}
            placeholder={placeholder}
            onChange={({ target }) => onChange(target.value)}
            aria-describedby={describedBy}
            aria-invalid={problem !== undefined}
            list={choices === undefined ? undefined : listId}
            autoComplete="off"
            spellCheck={false}
            // biome-ignore lint/a11y/noAutofocus: in a dialog that was just opened for it
            autoFocus={focus}
          />
          {choices === undefined ? null : (
            <datalist id={listId}>
              {choices.map((choice) => (
                <option key={choice} value={choice} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  );
}

interface NumberProps {
  readonly label: string;
  readonly value: number | undefined;
  readonly onChange: (value: number | undefined) => void;
  readonly hint?: string | undefined;
  readonly problem?: string | undefined;
  readonly placeholder?: string | undefined;
  readonly whole?: boolean;
  readonly min?: number;
  readonly max?: number;
}

/** Emptied it is not set; what is no number is kept in the field and goes nowhere. */
export function NumberField({ label, value, onChange, hint, problem, placeholder, whole, min, max }: NumberProps) {
  const [text, setText] = useState(value === undefined ? '' : String(value));
  useEffect(() => {
    setText((held) => (readNumber(held) === value ? held : value === undefined ? '' : String(value)));
  }, [value]);
  const change = (typed: string) => {
    setText(typed);
    const read = readNumber(typed);
    const fits =
      read === undefined ||
      (read !== null && read >= (min ?? read) && read <= (max ?? read) && (whole !== true || Number.isInteger(read)));
    if (read !== null && fits) {
      onChange(read);
    }
  };
  return (
    <Field label={label} hint={hint} problem={problem}>
      {(id, describedBy) => (
        <input
          id={id}
          className="input"
          inputMode={whole ? 'numeric' : 'decimal'}
          value={text}
          placeholder={placeholder}
          onChange={({ target }) => change(target.value)}
          onKeyDown={(event) => {
            const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
            if (by !== undefined && whole) {
              event.preventDefault();
              change(String((value ?? 0) + by));
            }
          }}
          onBlur={() => setText(value === undefined ? '' : String(value))}
          aria-describedby={describedBy}
          aria-invalid={problem !== undefined}
          autoComplete="off"
        />
      )}
    </Field>
  );
}

/** Undefined for nothing, null for what is no number. */
function readNumber(text: string): number | undefined | null {
  const typed = text.trim().replace(',', '.');
  if (typed === '') {
    return undefined;
  }
  const read = Number(typed);
  return Number.isFinite(read) ? read : null;
}

interface SelectProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly options: readonly (readonly [value: string, label: string])[];
  readonly hint?: string | undefined;
  readonly problem?: string | undefined;
}

export function SelectField({ label, value, onChange, options, hint, problem }: SelectProps) {
  return (
    <Field label={label} hint={hint} problem={problem}>
      {(id, describedBy) => (
        <select
          id={id}
          className="input"
          value={value}
          onChange={({ target }) => onChange(target.value)}
          aria-describedby={describedBy}
        >
          {options.map(([each, name]) => (
            <option key={each} value={each}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

const COLOURS = [1, 2, 3, 4, 5, 6, 7, 8];

interface ColourProps {
  readonly label: string;
  readonly value: number | undefined;
  readonly onChange: (value: number | undefined) => void;
}

/** One of the eight colours of series, as radio buttons; the first is what holds until one is chosen. */
export function ColourField({ label, value, onChange }: ColourProps) {
  const name = useId();
  return (
    <fieldset className="field ed-group">
      <legend>{label}</legend>
      <div className="ed-colours">
        {COLOURS.map((colour) => (
          <label key={colour} style={{ '--swatch': `var(--series-${colour})` } as never}>
            <input
              type="radio"
              name={name}
              checked={(value ?? 1) === colour}
              onChange={() => onChange(colour === 1 ? undefined : colour)}
              aria-label={`colour ${colour}`}
            />
          </label>
        ))}
      </div>
    </fieldset>
  );
}
