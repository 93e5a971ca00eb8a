/** What whoever looks at the board may choose: names that queries take as `$name`, with their type, default and choices. */

import { useState } from 'react';
import { SelectField, TextField } from '../forms';
import type { BoardVariable } from '../shared/api';
import { PlusIcon, TrashIcon } from '../shared/rareIcons';
import { changeBoard, type Draft } from './draft';

const TYPES = ['string', 'int', 'float', 'bool', 'time'];

interface VariableFieldsProps {
  readonly draft: Draft;
  readonly change: (draft: Draft, what: string, group?: string) => void;
  readonly problemOf: (key: string) => string | undefined;
}

export function VariableFields({ draft, change, problemOf }: VariableFieldsProps) {
  const variables = draft.variables ?? [];
  const write = (next: readonly BoardVariable[], what: string, group?: string) =>
    change(changeBoard(draft, { variables: next }), what, group);
  const add = () => {
    const taken = new Set(variables.map(({ name }) => name));
    let name = 'choice';
    for (let number = 2; taken.has(name); number += 1) {
      name = `choice_${number}`;
    }
    write([...variables, { name, type: 'string', options: [] }], 'add a variable');
  };
  return (
    <fieldset className="field ed-group">
      <legend>Variables</legend>
      {variables.map((variable, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the name is what is being typed
        <div key={index} className="ed-variable">
          <Variable
            variable={variable}
            problemOf={(key) => problemOf(`variables[${index}].${key}`)}
            onChange={(part, what) =>
              write(
                variables.map((each, at) => (at === index ? { ...each, ...part } : each)),
                `${what} of $${variable.name}`,
                `variables.${index}.${what}`,
              )
            }
          />
          <button
            type="button"
            className="icon-button"
            aria-label={`Delete the variable ${variable.name}`}
            title="Delete it"
            onClick={() =>
              write(
                variables.filter((_, at) => at !== index),
                `delete $${variable.name}`,
              )
            }
          >
            <TrashIcon size={14} />
          </button>
        </div>
      ))}
      <button type="button" className="button self-start" onClick={add}>
        <PlusIcon size={13} />
        Add a variable
      </button>
    </fieldset>
  );
}

interface VariableProps {
  readonly variable: BoardVariable;
  readonly problemOf: (key: string) => string | undefined;
  readonly onChange: (part: Partial<BoardVariable>, what: string) => void;
}

function Variable({ variable, problemOf, onChange }: VariableProps) {
  const { name, type, default: value = '', options } = variable;
  // A comma that was just typed ends nothing yet.
  const [choices, setChoices] = useState(options.join(', '));
  return (
    <div className="ed-two flex-1">
      <TextField
        label="Name"
        value={name}
        onChange={(next) => onChange({ name: next }, 'name')}
        problem={problemOf('name')}
        hint={`$${name} in queries`}
      />
      <SelectField
        label="Its type"
        value={type}
        onChange={(next) => onChange({ type: next }, 'type')}
        options={TYPES.map((each) => [each, each])}
      />
      <TextField
        label="Default"
        value={value}
        onChange={(next) => onChange({ default: next }, 'default')}
        problem={problemOf('default')}
      />
      <TextField
        label="Choices"
        value={choices}
        onChange={(text) => {
          setChoices(text);
          const list = text.split(',').map((each) => each.trim());
          onChange({ options: list.filter((each) => each !== '') }, 'choices');
        }}
        problem={problemOf('options')}
        placeholder="anything"
        hint="with commas between"
      />
    </div>
  );
}
