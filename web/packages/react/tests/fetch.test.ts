import { FakeWorld } from '@pulseboard/client/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { FetchError, type ResilientOptions, resetResilience, resilientFetch } from '../src/fetch/index.js';

beforeEach(resetResilience);

const URL_A = 'http://any.test/prices';

function begin(options: ResilientOptions<{ n: number }> = {}, world = new FakeWorld(), url = URL_A) {
  world.chance = 0.5;
  const outcome = resilientFetch<{ n: number }>(url, { environment: world, ...options });
  const settled = outcome.then(
    (result) => ({ result, error: null }),
    (error: Error) => ({ result: null, error }),
  );
  return { world, settled };
}

/** Answers the newest request and lets time pass. */
async function status(world: FakeWorld, code: number, wait_ms = 0): Promise<void> {
  world.request.status(code);
  await world.advance(wait_ms);
}

describe('resilientFetch', () => {
  it('gives what the network gives, and says so', async () => {
    const { world, settled } = begin();
    world.request.json({ n: 1 });
    expect((await settled).result).toEqual({ data: { n: 1 }, source: 'network', age_ms: 0, error: null });
  });

  it('tries again after 5xx, network errors and deadlines, with jittered waits that double', async () => {
    const { world, settled } = begin({ timeout_ms: 2_000 });
    await status(world, 503, 499);
    expect(world.requests, 'half of the first second').toHaveLength(1);
    await world.advance(1);
    expect(world.requests).toHaveLength(2);
    world.request.fail();
    await world.advance(1_000);
    expect(world.requests).toHaveLength(3);
    await world.advance(2_000 + 2_000);
    expect(world.requests, 'after the deadline and half of four seconds').toHaveLength(4);
    world.request.json({ n: 4 });
    expect((await settled).result?.data).toEqual({ n: 4 });
  });

  it('does not repeat a refusal, nor what must not be made twice', async () => {
    const refused = begin();
    await status(refused.world, 404, 60_000);
    expect(refused.world.requests).toHaveLength(1);
    expect((await refused.settled).error).toMatchObject({ name: 'FetchError', status: 404, temporary: false });
    const posted = begin({ init: { method: 'POST', body: '{}' } });
    await status(posted.world, 503, 60_000);
    expect(posted.world.requests).toHaveLength(1);
    expect((await posted.settled).error).toBeInstanceOf(FetchError);
  });

  it('opens the breaker after five failures in a row, and lets one through a minute later', async () => {
    const world = new FakeWorld();
    for (let count = 0; count < 5; count += 1) {
      const { settled } = begin({ retries: 0 }, world);
      await status(world, 500);
      expect((await settled).error).not.toBeNull();
    }
    expect((await begin({ retries: 0 }, world).settled).error?.message).toMatch(/was not sent/);
    expect(world.requests).toHaveLength(5);
    const elsewhere = begin({ retries: 0 }, world, 'http://other.test/');
    world.request.json({ n: 2 });
    expect((await elsewhere.settled).result?.data, 'other hosts are not concerned').toEqual({ n: 2 });
    await world.advance(60_000);
    const { settled } = begin({ retries: 0 }, world);
    world.request.json({ n: 3 });
    expect((await settled).result?.data).toEqual({ n: 3 });
  });

  it('gives the last good answer with its age, else the fallback, and the reason with both', async () => {
    const world = new FakeWorld();
    const first = begin({}, world);
    world.request.json({ n: 1 });
    await first.settled;
    await world.advance(7_000);
    const second = begin({ retries: 0, fallback: { n: 0 } }, world);
    await status(world, 502);
    expect((await second.settled).result).toMatchObject({
      data: { n: 1 },
      source: 'cache',
      age_ms: 7_000,
      error: { status: 502 },
    });
    const third = begin({ retries: 0, cache_ms: 0, fallback: () => ({ n: 0 }) }, world);
    await status(world, 502);
    expect((await third.settled).result).toMatchObject({ data: { n: 0 }, source: 'fallback', age_ms: null });
  });

  it('ends with the signal, without a stand-in', async () => {
    const abort = new AbortController();
    const { world, settled } = begin({ init: { signal: abort.signal }, fallback: { n: 0 } });
    await status(world, 503);
    abort.abort(new Error('left the page'));
    expect((await settled).error?.message).toBe('left the page');
    await world.advance(60_000);
    expect(world.requests).toHaveLength(1);
  });
});
