/**
 * Keys of the whole page, alone or one after the other: `?`, `g b`, `t z`. Never while somebody types, never with Ctrl, Alt or Meta.
 *
 * Whoever is on screen says which keys it takes; the last to say so has the word.
 */

import { useEffect } from 'react';

export type KeyMap = { readonly [keys: string]: ((event: KeyboardEvent) => void) | undefined };

/** The second key counts for this long after the first. */
const CHORD_MS = 1_500;

const maps: KeyMap[] = [];
let first = '';
let firstAt_ms = Number.NEGATIVE_INFINITY;

/** Whether keys belong to what has the focus instead of to the page. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

function find(keys: string): ((event: KeyboardEvent) => void) | undefined {
  return maps.findLast((map) => map[keys] !== undefined)?.[keys];
}

function begins(key: string): boolean {
  return maps.some((map) => Object.keys(map).some((keys) => keys.startsWith(`${key} `) && map[keys] !== undefined));
}

function onKey(event: KeyboardEvent): void {
  const { key, target, timeStamp } = event;
  const dialogOpen = document.querySelector('dialog[open]') !== null && key !== 'Escape';
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(target) || dialogOpen) {
    return;
  }
  const name = key === ' ' ? 'Space' : key;
  const chord = timeStamp - firstAt_ms < CHORD_MS ? find(`${first} ${name}`) : undefined;
  firstAt_ms = Number.NEGATIVE_INFINITY;
  if (chord !== undefined) {
    event.preventDefault();
    chord(event);
    return;
  }
  if (begins(name)) {
    first = name;
    firstAt_ms = timeStamp;
    return;
  }
  // A button that has the focus takes these itself.
  const onControl = target instanceof HTMLElement && target.closest('a, button, [role=group]') !== null;
  if ((name === 'Space' || name === 'Enter') && onControl) {
    return;
  }
  const alone = find(name);
  if (alone !== undefined) {
    event.preventDefault();
    alone(event);
  }
}

/** Takes keys while the component is mounted. */
export function useKeys(map: KeyMap): void {
  useEffect(() => {
    if (maps.length === 0) {
      addEventListener('keydown', onKey);
    }
    maps.push(map);
    return () => {
      maps.splice(maps.indexOf(map), 1);
      if (maps.length === 0) {
        removeEventListener('keydown', onKey);
      }
    };
  }, [map]);
}
