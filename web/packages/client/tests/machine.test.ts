import { describe, expect, it } from 'vitest';
import { backoffDelay, DEFAULT_BACKOFF } from '../src/backoff';
import { type ConnectionEvent, INITIAL_MACHINE, type Machine, type MachineOptions, step } from '../src/machine';

const options: MachineOptions = { backoff: DEFAULT_BACKOFF, transports: ['websocket', 'sse'] };

/** Feeds events one second apart with the largest jitter; returns the last machine and all effects. */
function run(events: ConnectionEvent[], from: Machine = INITIAL_MACHINE) {
  let machine = from;
  const effects = events.flatMap((event, second) => {
    const [next, todo] = step(machine, event, second * 1_000, () => 0.999_999, options);
    machine = next;
    return [...todo];
  });
  return { machine, effects };
}

const lost: ConnectionEvent = { type: 'lost', code: 1006, reason: '' };

describe('the connection machine', () => {
  it('connects when wanted, once', () => {
    const { machine, effects } = run([{ type: 'wanted' }, { type: 'wanted' }]);
    expect(machine.state).toEqual({ status: 'connecting', transport: 'websocket' });
    expect(effects).toEqual([{ do: 'open', transport: 'websocket' }]);
  });

  it('waits after a loss and retries when due', () => {
    const { machine, effects } = run([{ type: 'wanted' }, { type: 'opened' }, lost, { type: 'retry_due' }]);
    expect(machine.state.status).toBe('connecting');
    expect(effects.slice(1)).toEqual([
      { do: 'close' },
      { do: 'wait', delay_ms: 499 },
      { do: 'open', transport: 'websocket' },
    ]);
  });

  it('goes to SSE after two attempts that never opened, and takes turns from then on', () => {
    const round: ConnectionEvent[] = [lost, { type: 'retry_due' }];
    const { effects } = run([{ type: 'wanted' }, ...round, ...round, ...round, ...round]);
    const opened = effects.filter((effect) => effect.do === 'open').map((effect) => effect.transport);
    expect(opened).toEqual(['websocket', 'websocket', 'sse', 'websocket', 'sse']);
  });

  it('stays with a WebSocket that has worked here for longer, because then the server is away', () => {
    const round: ConnectionEvent[] = [lost, { type: 'retry_due' }];
    const { effects } = run([{ type: 'wanted' }, { type: 'opened' }, ...round, ...round, ...round, ...round]);
    expect(effects.filter((effect) => effect.do === 'open' && effect.transport === 'sse')).toEqual([]);
  });

  it('tries at once on wake-up while waiting, and probes while open', () => {
    expect(run([{ type: 'wanted' }, lost, { type: 'wake' }]).machine.state.status).toBe('connecting');
    expect(run([{ type: 'wanted' }, { type: 'opened' }, { type: 'wake' }]).effects.at(-1)).toEqual({ do: 'probe' });
  });

  it('waits as long as a restarting server asks', () => {
    const restart: ConnectionEvent = { type: 'lost', code: 4000, reason: '{"reason":"restart","after_ms":750}' };
    const { machine, effects } = run([{ type: 'wanted' }, { type: 'opened' }, restart]);
    expect(effects.at(-1)).toEqual({ do: 'wait', delay_ms: 750 });
    expect(machine.state).toMatchObject({ status: 'waiting', retry_at_ms: 2_750, reason: 'restart' });
  });

  it('does not come back after a final code', () => {
    const { machine, effects } = run([{ type: 'wanted' }, { type: 'opened' }, { ...lost, code: 4500 }]);
    expect(machine.state.status).toBe('closed');
    expect(effects.at(-1)).toEqual({ do: 'close' });
  });

  it('ignores what comes too late', () => {
    expect(run([{ type: 'retry_due' }, { type: 'opened' }, lost, { type: 'wake' }])).toEqual({
      machine: INITIAL_MACHINE,
      effects: [],
    });
  });
});

describe('the back-off', () => {
  it('doubles its ceiling from 500 ms to 2 s, and to 10 s once the outage is old', () => {
    const ceiling = (attempt: number, outage_ms: number) => backoffDelay(attempt, outage_ms, 1, DEFAULT_BACKOFF);
    expect([0, 1, 2, 3, 9].map((attempt) => ceiling(attempt, 29_999))).toEqual([500, 1_000, 2_000, 2_000, 2_000]);
    expect([4, 5, 90].map((attempt) => ceiling(attempt, 30_000))).toEqual([8_000, 10_000, 10_000]);
  });

  it('spreads over the whole range', () => {
    expect(backoffDelay(2, 0, 0, DEFAULT_BACKOFF)).toBe(0);
    expect(backoffDelay(2, 0, 0.5, DEFAULT_BACKOFF)).toBe(1_000);
  });
});
