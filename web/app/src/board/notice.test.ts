import type { ViewState } from '@pulseboard/client';
import { describe, expect, it } from 'vitest';
import { LateRows } from './lateRows';
import { type Facts, notice, parseSpan, strayColumn } from './notice';

const live: ViewState = { status: 'live', mode: 'maintained' };

function facts(change: Partial<Facts>): Facts {
  return { state: live, refused: null, age_ms: 500, stale_after_ms: 5_000, ...change };
}

describe('notice', () => {
  it('says nothing while all is well, or nothing is known', () => {
    expect(notice(facts({}))).toBeNull();
    expect(notice(facts({ state: null, age_ms: null }))).toBeNull();
  });

  it('says the age once data is older than the panel allows', () => {
    expect(notice(facts({ age_ms: 14_200 }))).toMatchObject({ label: '14 s old', icon: 'clock', dims: true });
    expect(notice(facts({ age_ms: 14_200, stale_after_ms: null }))).toBeNull();
  });

  it('puts what the server refuses before everything', () => {
    const refused = { code: 'bad_sql', message: 'there is no column `x`' };
    expect(notice(facts({ refused, age_ms: 99_999 }))).toMatchObject({ tone: 'critical', detail: refused.message });
  });

  it('puts a broken query before its age, and its age before a quiet state', () => {
    const error: ViewState = { status: 'error', mode: 'maintained', reason: 'overflow' };
    expect(notice(facts({ state: error, age_ms: 9_000 }))).toMatchObject({ label: 'error', detail: 'overflow' });
    const rerun: ViewState = { status: 'rerun', mode: 'rerun' };
    expect(notice(facts({ state: rerun }))).toMatchObject({ label: 're-run', tone: 'quiet', dims: false });
    expect(notice(facts({ state: rerun, age_ms: 9_000 }))).toMatchObject({ label: '9 s old' });
  });

  it('says how far a rebuild is', () => {
    const state: ViewState = { status: 'backfilling', mode: 'maintained', progress: { done: 429, total: 1_000 } };
    expect(notice(facts({ state }))).toMatchObject({ label: 'rebuilding 42 %' });
    expect(notice(facts({ state: { ...state, progress: { done: 0, total: 0 } } }))).toMatchObject({
      label: 'rebuilding',
    });
  });

  it('says quietly how many rows came too late', () => {
    expect(notice(facts({ late_rows: 1 }))).toMatchObject({ label: '1 late row', tone: 'quiet' });
    expect(notice(facts({ late_rows: 1_200 }))?.label).toMatch(/^1.?200 late rows$/);
    expect(notice(facts({ late_rows: 3, age_ms: 9_000 }))).toMatchObject({ label: '9 s old' });
    const truncated: ViewState = { status: 'truncated', mode: 'maintained', truncated_rows: 7 };
    expect(notice(facts({ state: truncated }))).toMatchObject({ label: '7 truncated', tone: 'warning' });
  });

  it('has words for every state', () => {
    const statuses = ['waiting', 'stale', 'cached', 'partial', 'truncated'] as const;
    for (const status of statuses) {
      const said = notice(facts({ state: { status, mode: 'maintained' } }));
      expect(said?.label).toBeTruthy();
      expect(said?.detail).toBeTruthy();
    }
  });
});

describe('parseSpan', () => {
  it('reads spans and refuses the rest', () => {
    expect(['500ms', '5s', '2m', '1.5h', '1d'].map(parseSpan)).toEqual([500, 5_000, 120_000, 5_400_000, 86_400_000]);
    expect(['', '5', 'soon', null, undefined].map(parseSpan)).toEqual([null, null, null, null, null]);
  });
});

describe('rows that came too late', () => {
  it('are spoken of while they come, and a minute longer', () => {
    const late = new LateRows();
    expect(late.fresh(null, 0)).toBe(0);
    expect(late.fresh(1_959, 1_000)).toBe(0);
    expect(late.fresh(1_962, 2_000)).toBe(3);
    expect(late.fresh(1_962, 61_000)).toBe(3);
    expect(late.fresh(1_963, 61_500)).toBe(4);
    expect(late.fresh(1_963, 122_000)).toBe(0);
    expect(late.fresh(1_965, 300_000)).toBe(2);
  });

  it('begin anew with the view', () => {
    const late = new LateRows();
    late.fresh(100, 0);
    expect(late.fresh(0, 1_000)).toBe(0);
    expect(late.fresh(2, 2_000)).toBe(2);
  });
});

it('a column that the options name and the rows do not have is told with those that are there', () => {
  const columns = [{ name: 't' }, { name: 'n' }];
  expect(strayColumn({ value: 'nn', time: 't' }, columns)).toBe('no column nn; there are t, n');
  expect(strayColumn({ value: 'n', series_label: 'core {}' }, columns)).toBeNull();
  expect(strayColumn(null, columns)).toBeNull();
  // Before there is an answer nothing is known.
  expect(strayColumn({ value: 'nn' }, [])).toBeNull();
  expect(notice(facts({ stray: 'no column nn; there are t, n' }))).toMatchObject({ label: 'no column', dims: false });
});
