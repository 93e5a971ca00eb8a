/** What the time picker opens: quick ranges, anything typed, two ends, and the zone to read them in. Fetched when it first opens. */

import { localZone } from '@pulseboard/react/format';
import { type FormEvent, useId, useState } from 'react';
import { CheckIcon } from '../shared/rareIcons';
import { describe, formatWall, QUICK_RANGES, resolve, type TimeRange } from './range';
import type { TimePickerProps } from './timePicker';
import { parseTyped } from './typed';
import { isZone } from './zone';

export function TimeChoices({
  range,
  onRange,
  boardZone,
  zone,
  onZone,
  now_ms,
  close,
}: TimePickerProps & { close: () => void }) {
  const shownZone = zone ?? boardZone;
  const choose = (chosen: TimeRange | null) => {
    onRange(chosen);
    close();
  };
  const same = (each: TimeRange) => range?.from === each.from && range.to === each.to;
  return (
    <>
      <div className="time-side">
        <TypedRange zone={shownZone} now_ms={now_ms} onRange={choose} />
        <Ends key={JSON.stringify(range)} range={range} zone={shownZone} now_ms={now_ms} onRange={choose} />
        <ZoneChoice boardZone={boardZone} zone={zone} onZone={onZone} />
      </div>
      <ul className="time-quick" aria-label="Quick ranges">
        <QuickRange label="Live" chosen={range === null} onSelect={() => choose(null)} />
        {QUICK_RANGES.map(([label, each]) => (
          <QuickRange key={label} label={label} chosen={same(each)} onSelect={() => choose(each)} />
        ))}
      </ul>
    </>
  );
}

interface QuickRangeProps {
  readonly label: string;
  readonly chosen: boolean;
  readonly onSelect: () => void;
}

function QuickRange({ label, chosen, onSelect }: QuickRangeProps) {
  return (
    <li>
      <button type="button" className="menu-item" aria-pressed={chosen} onClick={onSelect}>
        <span className="flex-1">{label}</span>
        {chosen ? <CheckIcon size={13} /> : null}
      </button>
    </li>
  );
}

interface EntryProps {
  readonly zone: string | undefined;
  readonly now_ms: () => number;
  readonly onRange: (range: TimeRange) => void;
}

/** One field for whatever comes to mind. */
function TypedRange({ zone, now_ms, onRange }: EntryProps) {
  const id = useId();
  const [text, setText] = useState('');
  const found = text.trim() === '' ? null : parseTyped(text, now_ms(), zone);
  const wrong = text.trim() !== '' && found === null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (found !== null) {
      onRange(found);
    }
  };
  return (
    <form onSubmit={submit} className="field">
      <label htmlFor={id}>Type a range</label>
      <input
        id={id}
        data-autofocus
        className="input"
        value={text}
        placeholder="3h, yesterday, 6:00 - 13:00"
        autoComplete="off"
        spellCheck={false}
        aria-invalid={wrong}
        onChange={({ target }) => setText(target.value)}
      />
      <p className="field-hint" data-wrong={wrong}>
        {found !== null ? `${describe(found, zone)} · Enter` : wrong ? 'not a range' : 'or now-6h, now/d, an epoch'}
      </p>
    </form>
  );
}

/** Both ends as they are, to be changed one by one. */
function Ends({ range, zone, now_ms, onRange }: EntryProps & { readonly range: TimeRange | null }) {
  const id = useId();
  const readable = (text: string) => (/^\d{12,}$/.test(text) ? formatWall(Number(text), zone) : text);
  const [from, setFrom] = useState(readable(range?.from ?? 'now-1h'));
  const [to, setTo] = useState(readable(range?.to ?? 'now'));
  const valid = resolve({ from, to }, now_ms(), zone) !== null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (valid) {
      onRange({ from, to });
    }
  };
  return (
    <form onSubmit={submit} className="time-ends">
      <div className="field">
        <label htmlFor={`${id}-from`}>From</label>
        <input id={`${id}-from`} className="input" value={from} onChange={({ target }) => setFrom(target.value)} />
      </div>
      <div className="field">
        <label htmlFor={`${id}-to`}>To</label>
        <input id={`${id}-to`} className="input" value={to} onChange={({ target }) => setTo(target.value)} />
      </div>
      <button type="submit" className="button" disabled={!valid}>
        Show
      </button>
    </form>
  );
}

interface ZoneChoiceProps {
  readonly boardZone: string | undefined;
  readonly zone: string | null;
  readonly onZone: (zone: string | null) => void;
}

function ZoneChoice({ boardZone, zone, onZone }: ZoneChoiceProps) {
  const id = useId();
  const local = localZone();
  const own = boardZone ?? local;
  const named = [local, 'UTC'].filter((each, at, all) => each !== own && all.indexOf(each) === at);
  const zones = Intl.supportedValuesOf('timeZone').filter((each) => each !== own && !named.includes(each));
  // A link may name one that is an alias.
  const odd = zone !== null && zone !== own && !named.includes(zone) && !zones.includes(zone) && isZone(zone);
  return (
    <div className="field">
      <label htmlFor={id}>Time zone</label>
      <select
        id={id}
        className="input"
        value={zone ?? own}
        onChange={({ target }) => onZone(target.value === own ? null : target.value)}
      >
        <option value={own}>{boardZone === undefined ? `This browser's: ${own}` : `The board's: ${own}`}</option>
        {[...named, ...(odd ? [zone] : []), ...zones].map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
    </div>
  );
}
