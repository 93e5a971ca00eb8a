import { describe, expect, it } from 'vitest';
import { FakeWorld, MemoryStateStore } from '../src/testing';
import { clientIn, following, held, items, shopServer } from './setUp';

/** A page that followed for a while and was closed, and its store. */
async function visited() {
  const persist = new MemoryStateStore();
  const visit = await following(undefined, { persist });
  visit.client.subscribe({ channels: ['stream:s'] });
  await visit.world.advance(10);
  visit.server.append('stream:s', [1]);
  await visit.world.advance(10);
  visit.world.leave();
  visit.client.close();
  return { ...visit, persist };
}

describe('the last known data', () => {
  it('is shown after a reload with its age, until the server says something', async () => {
    const { server, world, persist } = await visited();
    const savedAt_ms = world.now();
    server.stop();
    await world.advance(60_000);
    const page = world.tab();
    const client = clientIn(page, { persist });
    const subscription = client.subscribe({ channels: ['view:a'] });
    const channel = subscription.channel('view:a');
    let told = 0;
    if (channel.kind === 'keyed') {
      channel.listen(() => {
        told += 1;
      });
    }
    await page.advance(10);
    page.paint();
    expect(told).toBe(1);
    expect(held(subscription)).toEqual({ x: 1 });
    expect(channel).toMatchObject({ loaded: true, storedAt_ms: savedAt_ms, state: { status: 'cached' } });

    server.start();
    server.set('view:a', 'x', { n: 2 });
    client.retryNow();
    await page.advance(10);
    expect(held(subscription)).toEqual({ x: 2 });
    expect(channel).toMatchObject({ storedAt_ms: null, state: { status: 'live' } });
  });

  it('never replaces what is live', async () => {
    const { world, persist } = await visited();
    const slow = new MemoryStateStore();
    let give = () => {};
    slow.load = async (name) => {
      await new Promise<void>((resolve) => {
        give = resolve;
      });
      return persist.load(name);
    };
    const page = world.tab();
    const subscription = clientIn(page, { persist: slow }).subscribe({ channels: ['view:a'] });
    await page.advance(100);
    expect(subscription.channel('view:a').storedAt_ms).toBeNull();
    give();
    await page.advance(10);
    expect(subscription.channel('view:a')).toMatchObject({ storedAt_ms: null, state: { status: 'live' } });
  });

  it('of a tail makes room for the live one, because items between them may be missing', async () => {
    const { server, world, persist } = await visited();
    server.stop();
    const page = world.tab();
    const client = clientIn(page, { persist });
    const tail = client.subscribe({ channels: ['stream:s'], last: 1 });
    await page.advance(10);
    expect(items(tail)).toEqual([1]);
    server.append('stream:s', [2]);
    server.append('stream:s', [3]);
    server.start();
    client.retryNow();
    await page.advance(10);
    expect(items(tail)).toEqual([3]);
  });

  it('is not shown after a week, nor that of another server', async () => {
    const { server, world, persist } = await visited();
    server.stop();
    const other = world.tab();
    const elsewhere = clientIn(other, { persist, url: 'http://other.test/api/v1/' });
    const subscription = elsewhere.subscribe({ channels: ['view:a'] });
    await other.advance(10);
    expect(subscription.channel('view:a').loaded).toBe(false);
    elsewhere.close();
    world.pass(8 * 24 * 3_600_000);
    const page = world.tab();
    const late = clientIn(page, { persist }).subscribe({ channels: ['view:a'] });
    await page.advance(10);
    expect(late.channel('view:a').loaded).toBe(false);
  });

  it('is saved every few seconds, and what is too large is left out', async () => {
    const server = shopServer();
    const world = new FakeWorld({ server });
    const persist = new MemoryStateStore();
    let saves = 0;
    const save = persist.save.bind(persist);
    persist.save = (channels) => {
      saves += 1;
      return save(channels);
    };
    clientIn(world, { persist }).subscribe({ channels: ['view:a'] });
    for (let n = 0; n < 100; n += 1) {
      server.set('view:a', 'x', { n });
      await world.advance(100);
    }
    expect(saves).toBe(1);
    expect([...persist.channels.keys()]).toEqual(['http://pulse.test/api/v1/ view:a']);
    persist.channels.clear();
    for (let n = 0; n < 5_001; n += 1) {
      server.set('view:a', `row ${n}`, { k: `row ${n}`, n });
    }
    await world.advance(6_000);
    expect(persist.channels.size).toBe(0);
  });

  it('is saved by a hidden tab only when it is left', async () => {
    const server = shopServer();
    const persist = new MemoryStateStore();
    const tab = new FakeWorld({ server });
    tab.isHidden = true;
    clientIn(tab, { persist }).subscribe({ channels: ['view:a'] });
    server.set('view:a', 'x', { n: 2 });
    await tab.advance(20_000);
    expect(persist.channels.size).toBe(0);
    tab.leave();
    await tab.advance(0);
    expect(persist.channels.size).toBe(1);
  });

  it('that cannot be kept or read costs nothing', async () => {
    const broken = { load: () => Promise.reject(new Error('denied')), save: () => Promise.reject(new Error('full')) };
    const { world, subscription } = await following(undefined, { persist: broken });
    await world.advance(10_000);
    expect(held(subscription)).toEqual({ x: 1 });
  });
});
