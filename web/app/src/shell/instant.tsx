/** The instant that the board shows, to the millisecond, written once per frame; and the switch between live, still and past. */

import { formatDateTime, formatInstant } from '@pulseboard/react/format';
import { useEffect, useMemo, useRef } from 'react';
import { PauseIcon, PlayIcon } from '../shared/icons';
import { client, useConnection } from '../shared/live';
import { setText } from '../shared/text';
import { useKeys } from './keys';

export interface Play {
  /** `past` while the board shows a span that is over. */
  readonly mode: 'live' | 'paused' | 'past';
  readonly setPaused: (paused: boolean) => void;
  readonly goLive: () => void;
  /** The end of the span that is over. */
  readonly end_ms: number | null;
}

interface InstantProps {
  readonly zone: string | undefined;
  readonly mode: Play['mode'];
  readonly end_ms: number | null;
}

export function Instant({ zone, mode, end_ms }: InstantProps) {
  const text = useRef<HTMLTimeElement>(null);
  useEffect(() => {
    const write = (shown: string, title: string) => {
      if (text.current !== null) {
        setText(text.current, shown);
        text.current.title = title;
      }
    };
    if (end_ms !== null) {
      write(formatDateTime(end_ms, zone), 'The end of the span shown');
      return;
    }
    if (mode === 'paused') {
      // What else the page follows goes on; the board stands still.
      return;
    }
    return client.onFrame(({ time_us, position }) => {
      write(formatInstant(time_us / 1_000, zone), `The instant shown; log position ${position}`);
    });
  }, [zone, mode, end_ms]);
  return <time ref={text} className="instant" />;
}

const WORDS = { live: 'LIVE', paused: 'PAUSED', past: 'PAST' } as const;
/** They begin with the word that is seen, for whoever speaks to the page. */
const LABELS = { live: 'LIVE: pause', paused: 'PAUSED: go on', past: 'PAST: back to live' } as const;
const TITLES = {
  live: 'Live. Pause (Space)',
  paused: 'Paused: the board stands still. Go on (Space)',
  past: 'The past. Back to live (End)',
} as const;

export function PlayButton({ mode, setPaused, goLive }: Play) {
  const connected = useConnection().status === 'open';
  const next = () => (mode === 'past' ? goLive() : setPaused(mode === 'live'));
  // biome-ignore lint/correctness/useExhaustiveDependencies: `next` is made of these
  const keys = useMemo(() => ({ Space: next, End: goLive }), [mode, setPaused, goLive]);
  useKeys(keys);
  return (
    <button
      type="button"
      className="play"
      data-mode={mode}
      data-connected={connected}
      aria-pressed={mode !== 'live'}
      aria-label={LABELS[mode]}
      title={TITLES[mode]}
      onClick={next}
    >
      {mode === 'live' ? <i className="play-dot" /> : <PlayIcon size={12} />}
      <span>{WORDS[mode]}</span>
      {mode === 'live' ? (
        <span className="play-hover">
          <PauseIcon size={12} />
        </span>
      ) : null}
    </button>
  );
}
