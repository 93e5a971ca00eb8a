import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isFinalClose, readClose } from '../src/codes';
import { type Frame, parseMessage } from '../src/protocol';
import { Subscription } from '../src/subscription';

/** The fixtures that the server's own tests read too. */
function fixture<T>(name: string): T {
  return JSON.parse(
    readFileSync(new URL(`../../../../crates/protocol/fixtures/${name}.json`, import.meta.url), 'utf8'),
  );
}

interface Expected {
  readonly columns?: string[];
  readonly rows?: Record<string, Record<string, unknown>>;
  readonly order?: string[] | null;
  readonly items?: unknown[][];
  readonly state?: unknown;
  readonly board?: unknown;
  readonly resets?: string[];
  readonly missed?: number;
}

interface Scenario {
  readonly name: string;
  readonly steps: { readonly frame: Frame; readonly after: Record<string, Expected> }[];
}

/** What a channel holds, said in the fixture's words; only what the fixture asks about. */
function held(subscription: Subscription, name: string, expected: Expected): Expected {
  const channel = subscription.channel(name);
  const known: Expected = { ...(channel.state === null ? {} : { state: channel.state }) };
  const all = () => {
    switch (channel.kind) {
      case 'keyed': {
        const columns = channel.table.columns.map((column) => column.name);
        const rows = [...channel.table.rows()].map(([key, row]) => [
          key,
          Object.fromEntries(columns.map((column, index) => [column, row[index]])),
        ]);
        const order = expected.order === null ? null : [...channel.table.keys()];
        return { ...known, columns, rows: Object.fromEntries(rows), order, resets: resets(channel.lastReset) };
      }
      case 'tail': {
        const missed = channel.tail.gaps.reduce((sum, gap) => sum + (gap.missed ?? 0), 0);
        const columns = channel.tail.columns.map((column) => column.name);
        return { ...known, columns, items: channel.tail.rows, missed, resets: resets(channel.lastReset) };
      }
      case 'board':
        return { ...known, board: channel.board };
    }
  };
  return Object.fromEntries(Object.entries(all()).filter(([member]) => member in expected));
}

function resets(last: string | null): string[] {
  return last === null ? [] : [last];
}

describe('frames, as the protocol fixtures say', () => {
  for (const scenario of fixture<Scenario[]>('apply')) {
    it(scenario.name, () => {
      const nobody = { activate() {}, deactivate() {}, remove() {}, touched() {} };
      const subscription = new Subscription({ channels: [] }, nobody);
      for (const { frame, after } of scenario.steps) {
        expect(parseMessage(JSON.stringify(frame))).toEqual(frame);
        expect(subscription.apply(frame)).toBe(true);
        expect(subscription.cursor).toBe(frame.cursor);
        for (const [name, expected] of Object.entries(after)) {
          expect(held(subscription, name, expected)).toEqual(expected);
        }
      }
    });
  }
});

describe('frames that belong together, as the protocol fixtures say', () => {
  it('end in the same as the one frame that they are', () => {
    const { frames, whole } = fixture<{ frames: Frame[]; whole: Frame[] }>('pages');
    const nobody = { activate() {}, deactivate() {}, remove() {}, touched() {} };
    const [inParts, atOnce] = [new Subscription({ channels: [] }, nobody), new Subscription({ channels: [] }, nobody)];
    // A connection puts their changes one after the other.
    const upto = frames.findIndex(({ more }) => more === undefined) + 1;
    const changes = frames.slice(0, upto).flatMap((frame) => frame.changes);
    expect(inParts.apply({ ...(frames[upto - 1] as Frame), changes })).toBe(true);
    expect(atOnce.apply(whole[0] as Frame)).toBe(true);
    expect(inParts.snapshot()).toEqual(atOnce.snapshot());
  });
});

describe('messages, as the protocol fixtures say', () => {
  it('knows every kind of answer', () => {
    for (const message of fixture<object[]>('server_messages')) {
      expect(parseMessage(JSON.stringify(message))).toEqual(message);
    }
  });

  it('comes back after exactly the codes that ask for it', () => {
    const closes = fixture<{ code: number; reason: string; reconnects: boolean }[]>('closes');
    expect(closes.length).toBeGreaterThan(0);
    for (const { code, reconnects } of closes) {
      expect([code, isFinalClose(code)]).toEqual([code, !reconnects]);
    }
  });

  it('knows every reason that the server closes with', () => {
    for (const { code, reason, reconnects } of fixture<{ code: number; reason: string; reconnects: boolean }[]>(
      'closes',
    )) {
      expect(readClose(code, JSON.stringify({ reason }))).toEqual({
        reason,
        detail: reason,
        after_ms: null,
        final: !reconnects,
      });
    }
  });

  it('reads the reason of a close, whoever wrote it', () => {
    const restart = '{"reason":"restart","after_ms":1234}';
    expect(readClose(4000, restart)).toMatchObject({ reason: 'restart', after_ms: 1_234, final: false });
    expect(readClose(1001, 'going away')).toMatchObject({ reason: 'other', detail: 'going away', after_ms: null });
    expect(readClose(1006, '')).toMatchObject({ reason: 'cut', detail: '' });
  });

  it('ignores what a newer server may say and refuses what is no message', () => {
    expect(parseMessage('{"type":"from_the_future"}')).toBeNull();
    expect(() => parseMessage('[]')).toThrow(SyntaxError);
    expect(() => parseMessage('{')).toThrow(SyntaxError);
  });
});
