import { KeyedTable } from '@pulseboard/client';
import { expect, it } from 'vitest';
import { csvOf } from './export';

it('CSV quotes what needs it, and leaves the unknown empty', () => {
  const table = new KeyedTable();
  table.applySnapshot({
    columns: [
      { name: 't', type: 'time' },
      { name: 'a "name", said', type: 'string' },
      { name: 'n', type: 'int' },
      { name: 'j', type: 'json' },
    ],
    keys: ['1', '2'],
    rows: [
      [1_700_000_000_000_000, 'line\nbreak', 0, { a: [1, 'x'] }],
      [1_700_000_001_500_000, 'plain', null, null],
    ],
  });
  expect(csvOf(table)).toBe(
    't,"a ""name"", said",n,j\r\n2023-11-14T22:13:20.000Z,"line\nbreak",0,"{""a"":[1,""x""]}"\r\n2023-11-14T22:13:21.500Z,plain,,\r\n',
  );
});
