import { describe, expect, it } from 'vitest';
import server from '../../../../crates/server/src/config/panel_types.rs?raw';
import type { PanelType } from '../shared/api';
import { optionSpecs, TYPES } from './optionSpecs';

/** The options that the server reads of each type, from its own table. */
function optionsOfServer(): ReadonlyMap<string, readonly string[]> {
  const tables = new Map<string, readonly string[]>();
  for (const [, name = '', body = ''] of server.matchAll(/const (\w+): Known =\s*&\[(.*?)\];/gs)) {
    tables.set(
      name,
      [...body.matchAll(/\("(\w+)", Wanted/g)].map(([, option = '']) => option),
    );
  }
  const of = (name: string) => tables.get(name) ?? [];
  const types = /PANEL_TYPES[^=]*= \[(.*?)\];/s.exec(server)?.[1] ?? '';
  return new Map(
    [...types.matchAll(/"(\w+)"/g), ['', 'text']].map(([, type = '']) => [
      type,
      type === 'text' ? of('EVERY') : [...of('EVERY'), ...of('QUERY'), ...of(type.toUpperCase())],
    ]),
  );
}

describe('the form of a panel', () => {
  const known = optionsOfServer();

  it('knows the types that the server knows', () => {
    expect(TYPES.map(({ type }) => type).sort()).toEqual([...known.keys()].sort());
  });

  it.each(TYPES.map(({ type }) => type))(
    'asks for what the server reads of a %s, and nothing else',
    (type: PanelType) => {
      const asked = optionSpecs(type).map(({ name }) => name);
      expect([...asked].sort()).toEqual([...new Set(known.get(type))].sort());
      expect(asked.length).toBe(new Set(asked).size);
    },
  );
});
