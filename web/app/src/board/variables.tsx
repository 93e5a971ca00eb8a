/** What whoever looks at a board may choose, as one control each; the choice goes into the link. */

import { useId, useState } from 'react';
import type { BoardVariable } from '../shared/api';
import type { Params } from './plan';

interface VariablesProps {
  readonly variables: readonly BoardVariable[];
  /** As they hold now. */
  readonly values: Params;
  readonly onChange: (name: string, value: string) => void;
}

export function Variables({ variables, values, onChange }: VariablesProps) {
  return (
    <fieldset className="variables" aria-label="Variables">
      {variables.map((variable) => (
        <Choice
          key={variable.name}
          variable={variable}
          value={values[variable.name] ?? ''}
          onChange={(value) => onChange(variable.name, value)}
        />
      ))}
    </fieldset>
  );
}

interface ChoiceProps {
  readonly variable: BoardVariable;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function Choice({ variable, value, onChange }: ChoiceProps) {
  const id = useId();
  const title = variable.title ?? variable.name;
  const choices = variable.type === 'bool' && variable.options.length === 0 ? ['true', 'false'] : variable.options;
  return (
    <span className="variable">
      <label htmlFor={id}>{title}</label>
      {choices.length === 0 ? (
        <FreeText key={value} id={id} value={value} numeric={variable.type !== 'string'} onChange={onChange} />
      ) : (
        <select id={id} className="input" value={value} onChange={({ target }) => onChange(target.value)}>
          {choices.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      )}
    </span>
  );
}

interface FreeTextProps {
  readonly id: string;
  readonly value: string;
  readonly numeric: boolean;
  readonly onChange: (value: string) => void;
}

/** Taken over when it is left or confirmed: half a word is no choice. */
function FreeText({ id, value, numeric, onChange }: FreeTextProps) {
  const [text, setText] = useState(value);
  const done = () => {
    if (text !== value) {
      onChange(text);
    }
  };
  return (
    <input
      id={id}
      className="input"
      value={text}
      inputMode={numeric ? 'decimal' : 'text'}
      size={Math.max(6, Math.min(24, text.length + 1))}
      onChange={({ target }) => setText(target.value)}
      onBlur={done}
      onKeyDown={({ key }) => key === 'Enter' && done()}
    />
  );
}
