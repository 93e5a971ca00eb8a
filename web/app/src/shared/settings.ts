/**
 * How this reader wants the app to look: theme, colours of direction and series, density, zone. Kept in this browser only.
 *
 * The choices are attributes of the root element, which the tokens read; `theme` in a link wins over what was kept, unkept.
 */

import { useSyncExternalStore } from 'react';

export interface Settings {
  readonly theme: 'dark' | 'light' | 'system';
  readonly updown: 'western' | 'east-asian' | 'colour-blind';
  readonly palette: 'standard' | 'colour-blind';
  readonly density: 'comfortable' | 'compact';
}

/** What may be chosen, the first being what holds until somebody does. */
export const CHOICES: { readonly [Name in keyof Settings]: readonly Settings[Name][] } = {
  theme: ['dark', 'light', 'system'],
  updown: ['western', 'east-asian', 'colour-blind'],
  palette: ['standard', 'colour-blind'],
  density: ['comfortable', 'compact'],
};

const STORED_AS = 'pulseboard.settings 1';
const lightSystem = matchMedia('(prefers-color-scheme: light)');
const listeners = new Set<() => void>();
let settings = read();

function read(): Settings {
  let kept: Record<string, unknown> = {};
  try {
    kept = { ...(JSON.parse(localStorage.getItem(STORED_AS) ?? 'null') as Record<string, unknown> | null) };
  } catch {
    // A page may be denied its storage, and what is in it may be anything.
  }
  const choose = <Name extends keyof Settings>(name: Name): Settings[Name] => {
    const choices = CHOICES[name];
    return choices.find((choice) => choice === kept[name]) ?? (choices[0] as Settings[Name]);
  };
  return {
    theme: choose('theme'),
    updown: choose('updown'),
    palette: choose('palette'),
    density: choose('density'),
  };
}

/** The theme that the link asks for, for wall screens and pictures. */
function themeOfLink(): 'dark' | 'light' | null {
  const asked = new URLSearchParams(location.hash.split('?', 2)[1] ?? '').get('theme');
  return asked === 'dark' || asked === 'light' ? asked : null;
}

/** Writes the choices where the tokens read them. */
export function applySettings(): void {
  const { dataset } = document.documentElement;
  const chosen = settings.theme === 'system' ? (lightSystem.matches ? 'light' : 'dark') : settings.theme;
  const theme = themeOfLink() ?? chosen;
  dataset.theme = theme;
  dataset.updown = settings.updown;
  dataset.palette = settings.palette;
  dataset.density = settings.density;
  document.querySelector('meta[name=color-scheme]')?.setAttribute('content', theme);
  const ground = getComputedStyle(document.documentElement).getPropertyValue('--bg').trim();
  document.querySelector('meta[name=theme-color]')?.setAttribute('content', ground);
}

lightSystem.addEventListener('change', applySettings);
addEventListener('hashchange', applySettings);

export function changeSettings(change: Partial<Settings>): void {
  settings = { ...settings, ...change };
  try {
    localStorage.setItem(STORED_AS, JSON.stringify(settings));
  } catch {
    // Then it holds until the page is closed.
  }
  applySettings();
  for (const listener of listeners) {
    listener();
  }
}

export function useSettings(): Settings {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => settings,
  );
}
