import { describe, expect, it } from 'vitest';
import { type Me, mayAsk, mayEdit, type Role } from './rights';

const me = (role: Role, channels: readonly string[] = ['*']): { readonly me: Me } => ({
  me: { id: 'user:ann', name: 'ann', role, channels, login: true, share: null },
});

describe('what somebody may do', () => {
  it('is what the server says of them, and all of it until it has', () => {
    expect(mayEdit({ me: null })).toBe(true);
    expect([me('viewer'), me('editor'), me('admin'), me('ingest')].map((who) => mayEdit(who))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('is to ask and to change only where every stream may be named', () => {
    expect(mayAsk(me('viewer', ['sql:*']))).toBe(true);
    for (const channels of [['board:shop'], ['view:*', 'sql:00*'], []]) {
      expect([mayAsk(me('editor', channels)), mayEdit(me('editor', channels))]).toEqual([false, false]);
    }
  });
});
