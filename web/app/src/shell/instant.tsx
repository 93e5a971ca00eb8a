/** The instant that the board shows, to the millisecond, written once per frame; and the switch between live, still and past. */

import type { Subscription } from '@pulseboard/client';
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
  /** What the board follows: it stands where that stands. */
  readonly subscription: Subscription | null;
}

interface InstantProps {
  readonly zone: string | undefined;
  readonly play: Play;
}

export function Instant({ zone, play: { end_ms, subscription } }: InstantProps) {
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
    const show = () => {
      // What else the page follows is somewhere else.
      const { time_us, position } = subscription ?? { time_us: null };
      if (time_us !== null) {
        write(formatInstant(time_us / 1_000, zone), `The instant shown; log position ${position}`);
      }
    };
    show();
    return client.onFrame(show);
  }, [zone, end_ms, subscription]);
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
