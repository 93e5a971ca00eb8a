/**
 * Parts of the app that are fetched when they are wanted, and fetched again when that failed: the server may be away for a moment,
 * and what is on the screen must not go with it.
 */

import { type ComponentType, lazy } from 'react';

const PAUSE_MS = 1_000;
/** So often while the server is there: then the part is gone, because the server is a newer one. */
const TRIES_MAX = 3;

/** As React's `lazy`, for a part that is insisted on. */
export function later<Props>(load: () => Promise<ComponentType<Props>>) {
  return lazy(async () => ({ default: await insist(load) }));
}

/** Loads until it is there; fails only where the server has no such part any more. */
export async function insist<Part>(load: () => Promise<Part>): Promise<Part> {
  for (let tries = 1; ; ) {
    try {
      return await load();
    } catch (error) {
      const page = await fetch(document.baseURI, { cache: 'no-store' }).catch(() => null);
      if (page?.ok && tries++ >= TRIES_MAX) {
        throw error;
      }
    }
    // A sheet that failed is not asked for again by whoever loads its script.
    for (const sheet of document.querySelectorAll<HTMLLinkElement>('link[rel=stylesheet]')) {
      if (sheet.sheet === null) {
        sheet.replaceWith(sheet.cloneNode());
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
