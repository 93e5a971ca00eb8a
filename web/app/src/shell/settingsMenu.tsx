/** How the app looks: theme, colours, density, for this browser. */

import { Suspense } from 'react';
import { SettingsIcon } from '../shared/icons';
import { later } from '../shared/later';
import { Popover } from '../shared/popover';
import { CHOICES, changeSettings, type Settings, useSettings } from '../shared/settings';

const Leave = later(async () => (await import('./leave')).Leave);

const NAMES: { readonly [Name in keyof Settings]: string } = {
  theme: 'Theme',
  updown: 'Up and down',
  palette: 'Series',
  density: 'Density',
};

export function SettingsMenu() {
  return (
    <Popover
      label="Look"
      title="Look"
      className="rail-item"
      align="left"
      surfaceClass="settings"
      button={<SettingsIcon size={17} />}
    >
      {() => (
        <>
          <Choices />
          <Suspense fallback={null}>
            <Leave />
          </Suspense>
        </>
      )}
    </Popover>
  );
}

function Choices() {
  const settings = useSettings();
  return (Object.keys(NAMES) as (keyof Settings)[]).map((name) => (
    <fieldset key={name} className="choice">
      <legend>{NAMES[name]}</legend>
      <div className="segments">
        {CHOICES[name].map((value) => (
          <button
            key={value}
            type="button"
            className="tab"
            aria-pressed={settings[name] === value}
            onClick={() => changeSettings({ [name]: value })}
          >
            {value}
          </button>
        ))}
      </div>
      {name === 'updown' ? (
        <p className="choice-sample">
          <span style={{ color: 'var(--up)' }}>+2.31 %</span> <span style={{ color: 'var(--down)' }}>−1.87 %</span>
        </p>
      ) : null}
    </fieldset>
  ));
}
