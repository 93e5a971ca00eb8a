/** The instant that the board shows, to the millisecond, written once per frame; and the switch between live and still. */

import { formatInstant } from '@pulseboard/react/format';
import { type Dispatch, type SetStateAction, useEffect, useRef } from 'react';
import { PauseIcon, PlayIcon } from '../shared/icons';
import { client, useConnection } from '../shared/live';
import { isTyping } from './shortcuts';

export interface Play {
  readonly paused: boolean;
  readonly setPaused: Dispatch<SetStateAction<boolean>>;
}

export function Instant({ zone }: { readonly zone: string | undefined }) {
  const text = useRef<HTMLTimeElement>(null);
  useEffect(
    () =>
      client.onFrame(({ time_us, position }) => {
        if (text.current !== null) {
          text.current.textContent = formatInstant(time_us / 1_000, zone);
          text.current.title = `The instant shown; log position ${position}`;
        }
      }),
    [zone],
  );
  return <time ref={text} className="instant" />;
}

export function PlayButton({ paused, setPaused }: Play) {
  const connected = useConnection().status === 'open';
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { target } = event;
      const onControl = target instanceof HTMLElement && target.closest('a, button, [role=group]') !== null;
      if (event.key === ' ' && !isTyping(target) && !onControl) {
        event.preventDefault();
        setPaused((value) => !value);
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [setPaused]);
  return (
    <button
      type="button"
      className="play"
      data-paused={paused}
      data-connected={connected}
      aria-pressed={paused}
      aria-label={paused ? 'Go on' : 'Pause'}
      title={paused ? 'Paused: the board stands still. Go on (Space)' : 'Live. Pause (Space)'}
      onClick={() => setPaused(!paused)}
    >
      {paused ? <PlayIcon size={12} /> : <i className="play-dot" />}
      <span>{paused ? 'PAUSED' : 'LIVE'}</span>
      {paused ? null : (
        <span className="play-hover">
          <PauseIcon size={12} />
        </span>
      )}
    </button>
  );
}
