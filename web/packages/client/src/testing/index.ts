/**
 * For tests of pages that use `@pulseboard/client`: a server in memory, a clock that moves when told, and a browser with
 * tabs. No test waits, and every failure of a network can be played.
 */

export { FakeBrowser, FakeBus, MemoryStateStore } from './fakeBrowser.js';
export { FakeClock, settlePromises } from './fakeClock.js';
export type { FakeRow } from './fakeData.js';
export { type Command, FakeRequest, FakeSocket } from './fakeNet.js';
export { type Blockade, FakeServer, type Published } from './fakeServer.js';
export { type FakePeer, FakeWorld, type FakeWorldOptions } from './fakeWorld.js';
