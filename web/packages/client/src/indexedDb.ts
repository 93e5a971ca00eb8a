/** Keeps channels in IndexedDB, the newest of them, for pages and workers. */

import type { StateStore, StoredChannel } from './persist.js';

const STORE = 'channels';
const BY_AGE = 'savedAt';
/** What is beyond this, oldest first, is thrown away when the database is opened. */
const CHANNELS_MAX = 200;

/** A store in the browser's IndexedDB; null where there is none, as in Node. */
export function indexedDbStore(database = 'pulseboard'): StateStore | null {
  if (typeof indexedDB === 'undefined') {
    return null;
  }
  let opened: Promise<IDBDatabase> | null = null;
  const open = () => {
    opened ??= openDatabase(database);
    return opened;
  };
  return {
    async load(name) {
      const store = (await open()).transaction(STORE).objectStore(STORE);
      return ((await done(store.get(name))) as StoredChannel | undefined) ?? null;
    },
    async save(channels) {
      const store = (await open()).transaction(STORE, 'readwrite').objectStore(STORE);
      await Promise.all([...channels].map(([name, channel]) => done(store.put(channel, name))));
    },
  };
}

async function openDatabase(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE).createIndex(BY_AGE, 'savedAt_ms');
  const database = await done(request);
  // A newer page that wants another version must not wait for this one.
  database.onversionchange = () => database.close();
  const store = database.transaction(STORE, 'readwrite').objectStore(STORE);
  let excess = (await done(store.count())) - CHANNELS_MAX;
  const cursor = store.index(BY_AGE).openCursor();
  cursor.onsuccess = () => {
    if (cursor.result !== null && excess > 0) {
      excess -= 1;
      cursor.result.delete();
      cursor.result.continue();
    }
  };
  return database;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
