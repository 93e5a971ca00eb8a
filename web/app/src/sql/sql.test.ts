import { CompletionContext } from '@codemirror/autocomplete';
import { EditorState } from '@codemirror/state';
import { describe, expect, it } from 'vitest';
import { completionOf, quoted, streamsIn, wordCompletion } from './completion';

const CATALOGUE = {
  streams: {
    orders: [
      { name: 'time', type: 'time' },
      { name: 'item', type: 'string' },
      { name: 'user', type: 'string' },
    ],
    visits: [{ name: 'page', type: 'string' }],
  },
  variables: ['symbol'],
};

async function offered(text: string): Promise<string[]> {
  const at = text.indexOf('|');
  const state = EditorState.create({ doc: text.replace('|', '') });
  const result = await completionOf(CATALOGUE)(new CompletionContext(state, at, false));
  return (result?.options ?? []).map(({ label }) => label);
}

describe('completion of SQL', () => {
  it('offers the columns of the streams that the query reads, wherever they are named', async () => {
    expect(await offered('SELECT it| FROM orders')).toEqual(expect.arrayContaining(['item', 'user', '_arrived_at']));
    expect(await offered('SELECT it| FROM orders')).not.toContain('page');
    expect(await offered('SELECT a FROM orders JOIN visits ON p|')).toContain('page');
  });

  it('offers no columns without a stream, in a text or behind a dot', async () => {
    expect(await offered('SELECT it|')).toEqual([]);
    expect(await offered("SELECT * FROM orders WHERE item = 'fl|")).toEqual([]);
    expect(await offered('SELECT orders.it| FROM orders')).toEqual([]);
  });

  it("offers the board's variables and the range behind a dollar", async () => {
    expect(await offered('SELECT * FROM orders WHERE item = $|')).toEqual(['$symbol', '$from', '$to', '$bucket']);
  });

  it('says what functions take and puts words of the language in capitals', () => {
    expect(wordCompletion('date_trunc', 'variable')).toMatchObject({
      apply: 'date_trunc(',
      detail: "('minute', time)",
    });
    expect(wordCompletion('now', 'variable')).toMatchObject({ apply: 'now()' });
    expect(wordCompletion('select', 'keyword')).toMatchObject({ label: 'SELECT' });
  });

  it('reads names in quotes and quotes those that need it', () => {
    expect(streamsIn('select 1 from "my stream" join ORDERS on true', ['my stream', 'orders', 'visits'])).toEqual([
      'my stream',
      'orders',
    ]);
    expect([quoted('item'), quoted('user'), quoted('a b'), quoted('userId')]).toEqual([
      'item',
      '"user"',
      '"a b"',
      'userId',
    ]);
  });
});
