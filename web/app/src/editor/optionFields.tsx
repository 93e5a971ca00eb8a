/** The options of a panel of its type, from the table of what the server reads. */

import {
  AnyField,
  ByColumnField,
  ColourField,
  FlagField,
  NumberField,
  SelectField,
  StatesField,
  TextField,
} from '../forms';
import { changeOption, type Draft, type DraftPanel } from './draft';
import { type OptionSpec, optionSpecs } from './optionSpecs';

interface OptionFieldsProps {
  readonly draft: Draft;
  readonly panel: DraftPanel;
  /** The columns of the answer as far as they are known. */
  readonly columns: readonly string[];
  readonly change: (draft: Draft, what: string, group?: string) => void;
  /** What is wrong with an option. */
  readonly problemOf: (key: string) => string | undefined;
}

export function OptionFields(props: OptionFieldsProps) {
  return (
    <>
      {optionSpecs(props.panel.type).map((spec) => (
        <OptionField key={`${props.panel.type}.${spec.name}`} spec={spec} {...props} />
      ))}
    </>
  );
}

function OptionField({ spec, draft, panel, columns, change, problemOf }: OptionFieldsProps & { spec: OptionSpec }) {
  const { name, label, kind, hint } = spec;
  const value = (panel.options as Record<string, unknown> | null | undefined)?.[name];
  const problem = problemOf(`options.${name}`);
  const set = (next: unknown) =>
    change(changeOption(draft, panel.id, name, next), `change ${label.toLowerCase()}`, `${panel.id}.options.${name}`);
  const common = { label, hint, problem };
  switch (kind.is) {
    case 'text':
      return <TextField {...common} value={asText(value)} onChange={set} placeholder={kind.example} />;
    case 'span':
      return <TextField {...common} value={asText(value)} onChange={set} placeholder="5m" />;
    case 'column':
      return <TextField {...common} value={asText(value)} onChange={set} choices={columns} placeholder="automatic" />;
    case 'number-or-column':
      return (
        <TextField
          {...common}
          value={typeof value === 'number' ? String(value) : asText(value)}
          onChange={(typed) => set(/^-?\d+(\.\d+)?$/.test(typed) ? Number(typed) : typed)}
          choices={columns}
          placeholder="automatic"
        />
      );
    case 'panel': {
      const others = draft.panels.filter(({ id, type }) => id !== panel.id && type !== 'text');
      return (
        <SelectField
          {...common}
          value={asText(value)}
          onChange={set}
          options={[['', 'its own rows'], ...others.map(({ id, title }) => [id, title] as const)]}
        />
      );
    }
    case 'number':
      return <NumberField {...common} value={asNumber(value)} onChange={set} placeholder="automatic" />;
    case 'colour':
      return <ColourField label={label} value={asNumber(value)} onChange={set} />;
    case 'flag':
      return <FlagField label={label} value={value === true} onChange={(on) => set(on ? true : undefined)} />;
    case 'choice':
      return (
        <SelectField
          {...common}
          value={asText(value) || (kind.of[0] ?? '')}
          onChange={(next) => set(next === kind.of[0] ? undefined : next)}
          options={kind.of.map((each) => [each, each])}
        />
      );
    case 'any':
      return <AnyField {...common} of={kind.of} value={asList(value)} onChange={set} />;
    case 'columns':
      return <AnyField {...common} of={columns} value={asList(value)} onChange={set} />;
    case 'by-column':
      return (
        <ByColumnField
          label={label}
          of={kind.of}
          choices={kind.choices}
          value={asTable(value)}
          columns={columns}
          onChange={set}
        />
      );
    case 'states':
      return <StatesField {...common} value={asTable(value)} byColumn={kind.byColumn} onChange={set} />;
  }
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function asList(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function asTable(value: unknown): { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [name: string]: unknown })
    : {};
}
