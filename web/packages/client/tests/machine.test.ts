import { describe, expect, it } from 'vitest';
import { backoffDelay, climbDelay, DEFAULT_BACKOFF, DEFAULT_CLIMB, DEFAULT_POLL, pollDelay } from '../src/backoff';
import { type LossReason, loss } from '../src/codes';
import {
  type ConnectionEvent,
  initialMachine,
  type Machine,
  type MachineOptions,
  step,
  TRANSPORTS,
  type TransportKind,
} from '../src/machine';

const OPTIONS: MachineOptions = { backoff: DEFAULT_BACKOFF, climb: DEFAULT_CLIMB, transports: TRANSPORTS };

/** Feeds events one second apart with the largest jitter; returns the last machine and all effects. */
function run(events: ConnectionEvent[], from: Machine = initialMachine(null), options = OPTIONS) {
  let machine = from;
  const effects = events.flatMap((event, second) => {
    const [next, todo] = step(machine, event, second * 1_000, () => 0.999_999, options);
    machine = next;
    return [...todo];
  });
  return { machine, effects };
}

function opens(effects: ReturnType<typeof run>['effects']): TransportKind[] {
  return effects.flatMap((effect) => (effect.do === 'open' ? [effect.transport] : []));
}

const wanted: ConnectionEvent = { type: 'wanted' };
const opened: ConnectionEvent = { type: 'opened' };
const settled: ConnectionEvent = { type: 'settled' };
const due: ConnectionEvent = { type: 'retry_due' };
const lost: ConnectionEvent = { type: 'lost', loss: loss('cut') };
const final = (reason: LossReason): ConnectionEvent => ({ type: 'lost', loss: loss(reason, 'why', null, 'final') });
const times = (count: number, events: ConnectionEvent[]) => Array.from({ length: count }, () => events).flat();

describe('the connection machine', () => {
  it('connects when wanted, once', () => {
    const { machine, effects } = run([wanted, wanted]);
    expect(machine.state).toEqual({ status: 'connecting', transport: 'websocket', attempt: 1 });
    expect(effects).toEqual([{ do: 'open', transport: 'websocket' }]);
  });

  it('waits after a loss, says why and when, and retries when due', () => {
    const { machine, effects } = run([wanted, opened, settled, lost]);
    expect(machine.state).toEqual({ status: 'waiting', retry_at_ms: 3_499, attempt: 0, reason: 'cut', detail: '' });
    expect(effects.slice(-2)).toEqual([{ do: 'close' }, { do: 'wait', delay_ms: 499 }]);
    expect(run([due], machine).machine.state).toEqual({ status: 'connecting', transport: 'websocket', attempt: 1 });
  });

  it('tries every transport in order where none has worked yet, and begins again', () => {
    const { effects } = run([wanted, ...times(5, [lost, due])]);
    expect(opens(effects)).toEqual(['websocket', 'sse', 'longpoll', 'poll', 'websocket', 'sse']);
  });

  it('stays for longer with what has worked here, because then the server is away, and lets others have turns', () => {
    const { effects } = run([wanted, ...times(8, [lost, due])], initialMachine('websocket'));
    expect(opens(effects)).toEqual([
      ...['websocket', 'websocket', 'websocket', 'sse'],
      ...['websocket', 'longpoll', 'websocket', 'poll', 'websocket'],
    ]);
  });

  it('begins with what worked at the last visit', () => {
    expect(opens(run([wanted], initialMachine('longpoll')).effects)).toEqual(['longpoll']);
  });

  it('does not go where it is pinned away from, whatever it remembers', () => {
    const pinned: MachineOptions = { ...OPTIONS, transports: ['sse'] };
    const { effects } = run([wanted, ...times(9, [lost, due]), opened], initialMachine('websocket'), pinned);
    expect(new Set(opens(effects))).toEqual(new Set(['sse']));
    expect(effects.some((effect) => effect.do === 'climb_wait')).toBe(false);
  });

  it('counts as a success only what lasted: short lives go on with the back-off and the turns', () => {
    const { effects, machine } = run([wanted, lost, due, ...times(3, [opened, lost, due])]);
    expect(opens(effects)).toEqual(['websocket', 'sse', 'longpoll', 'poll', 'websocket']);
    expect(machine.failures).toBe(4);
  });

  it('takes a WebSocket that opened for one that gets through, however short it lived', () => {
    const { effects } = run([wanted, opened, lost, due, lost, due, opened, lost, due]);
    expect(opens(effects)).toEqual(['websocket', 'websocket', 'websocket', 'websocket']);
  });

  it('does not blame the transport for what the server or the token hook said, but waits longer each time', () => {
    const busy: ConnectionEvent = { type: 'lost', loss: loss('overloaded') };
    const { effects } = run([wanted, busy, due, { type: 'lost', loss: loss('no_token') }, due, busy]);
    expect(opens(effects)).toEqual(['websocket', 'websocket', 'websocket']);
    expect(effects.flatMap((effect) => (effect.do === 'wait' ? [effect.delay_ms] : []))).toEqual([499, 999, 1_999]);
  });

  it('forgets failures and remembers the transport once it has lasted', () => {
    const { machine, effects } = run([wanted, lost, due, opened, settled]);
    expect(machine).toMatchObject({ failures: 0, outage_since_ms: null, proven: 'sse' });
    expect(effects.at(-1)).toEqual({ do: 'remember', transport: 'sse' });
  });

  it('tries at once on wake-up while waiting, and probes while open', () => {
    expect(run([wanted, lost, { type: 'wake' }]).machine.state.status).toBe('connecting');
    expect(run([wanted, opened, { type: 'wake' }]).effects.at(-1)).toEqual({ do: 'probe' });
    expect(run([wanted, opened, { type: 'doubt' }]).effects.at(-1)).toEqual({ do: 'probe' });
  });

  it('waits as long as a restarting server asks', () => {
    const restart: ConnectionEvent = { type: 'lost', loss: loss('restart', 'restart', 750) };
    const { machine, effects } = run([wanted, opened, settled, restart]);
    expect(effects.at(-1)).toEqual({ do: 'wait', delay_ms: 750 });
    expect(machine.state).toMatchObject({ status: 'waiting', retry_at_ms: 3_750, reason: 'restart' });
  });

  it('stays away after a final reason until a person says otherwise', () => {
    const { machine, effects } = run([wanted, opened, final('bad_message')]);
    expect(machine.state).toEqual({ status: 'closed', reason: 'bad_message', detail: 'why' });
    expect(effects.at(-1)).toEqual({ do: 'close' });
    expect(run([wanted, due, { type: 'wake' }], machine).effects).toEqual([]);
    expect(run([{ type: 'retry' }], machine).machine.state.status).toBe('connecting');
  });

  it('gives up after as many attempts as are allowed', () => {
    const options: MachineOptions = { ...OPTIONS, backoff: { ...DEFAULT_BACKOFF, attempts_max: 3 } };
    const { machine, effects } = run([wanted, ...times(4, [lost, due])], initialMachine(null), options);
    expect(opens(effects)).toHaveLength(3);
    expect(machine.state).toEqual({ status: 'closed', reason: 'attempts_max', detail: 'cut' });
  });

  it('ends when nobody wants it any more', () => {
    const { machine, effects } = run([wanted, opened, { type: 'unwanted' }]);
    expect(machine.state).toEqual({ status: 'idle' });
    expect(effects.at(-1)).toEqual({ do: 'close' });
  });

  it('ignores what comes too late', () => {
    expect(run([due, opened, settled, lost, { type: 'wake' }, { type: 'climb_due' }])).toEqual({
      machine: initialMachine(null),
      effects: [],
    });
  });
});

describe('climbing', () => {
  const onPoll = [wanted, ...times(3, [lost, due]), opened];

  it('asks for every better transport, the best first', () => {
    const { effects } = run([...onPoll, { type: 'climb_due' }]);
    expect(effects.at(-1)).toEqual({ do: 'climb', transports: ['websocket', 'sse', 'longpoll'] });
  });

  it('has nothing to climb to from the best', () => {
    expect(run([wanted, opened]).effects.some((effect) => effect.do === 'climb_wait')).toBe(false);
  });

  it('takes over without a gap and goes on climbing from there', () => {
    const { machine, effects } = run([...onPoll, { type: 'climb_due' }, { type: 'climbed', transport: 'sse' }]);
    expect(machine.state).toEqual({ status: 'open', transport: 'sse' });
    expect(effects.at(-1)).toEqual({ do: 'climb_wait', delay_ms: 9_999 });
    expect(effects.some((effect) => effect.do === 'close')).toBe(true);
  });

  it('becomes rarer while it fails, also while it only seems to work', () => {
    const failed: ConnectionEvent[] = [{ type: 'climb_due' }, { type: 'climb_failed' }];
    const waits = (effects: ReturnType<typeof run>['effects']) =>
      effects.flatMap((effect) => (effect.do === 'climb_wait' ? [effect.delay_ms] : []));
    expect(waits(run([...onPoll, ...times(3, failed)]).effects)).toEqual([4_999, 9_999, 19_999, 39_999]);
    // A long poll that answers once and is then cut by a proxy, each time.
    const seems: ConnectionEvent[] = [
      { type: 'climb_due' },
      { type: 'climbed', transport: 'longpoll' },
      lost,
      due,
      opened,
    ];
    const { effects } = run([...onPoll, settled, ...seems, ...seems]);
    expect(waits(effects)).toEqual([4_999, 9_999, 9_999, 19_999, 19_999]);
  });

  it('begins anew when the network may be another one', () => {
    const failed: ConnectionEvent[] = [{ type: 'climb_due' }, { type: 'climb_failed' }];
    const { effects } = run([...onPoll, ...times(5, failed), { type: 'wake' }]);
    expect(effects.slice(-2)).toEqual([{ do: 'probe' }, { do: 'climb_wait', delay_ms: 4_999 }]);
  });
});

describe('the waits', () => {
  it('double their ceiling from 500 ms to 2 s, and to 10 s once the outage is old', () => {
    const ceiling = (attempt: number, outage_ms: number) => backoffDelay(attempt, outage_ms, 1, DEFAULT_BACKOFF);
    expect([0, 1, 2, 3, 9].map((attempt) => ceiling(attempt, 29_999))).toEqual([500, 1_000, 2_000, 2_000, 2_000]);
    expect([4, 5, 90].map((attempt) => ceiling(attempt, 30_000))).toEqual([8_000, 10_000, 10_000]);
  });

  it('spread over the whole range', () => {
    expect(backoffDelay(2, 0, 0, DEFAULT_BACKOFF)).toBe(0);
    expect(backoffDelay(2, 0, 0.5, DEFAULT_BACKOFF)).toBe(1_000);
  });

  it('of climbs grow to five minutes', () => {
    expect([0, 1, 2, 9].map((climb) => climbDelay(climb, 1, DEFAULT_CLIMB))).toEqual([5_000, 10_000, 20_000, 300_000]);
    expect(climbDelay(0, 0, DEFAULT_CLIMB)).toBe(2_500);
  });

  it('of polls grow from 5 s to 60 s while nothing changes, and are long where nobody looks', () => {
    expect([0, 1, 2, 3, 4, 5].map((quiet) => pollDelay(quiet, 'seen', DEFAULT_POLL))).toEqual([
      5_000, 10_000, 20_000, 40_000, 60_000, 60_000,
    ]);
    expect(pollDelay(0, 'hidden', DEFAULT_POLL)).toBe(60_000);
  });
});
