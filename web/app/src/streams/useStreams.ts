/** The streams as the server lists them, asked again at a slow beat, with the rate measured between two answers. */

import { useEffect, useState } from 'react';
import { ApiError, api, type StreamInfo } from '../shared/api';
import { nextRate, type Sample } from './rate';

export interface StreamRow extends StreamInfo {
  /** Events per second; null until two answers are there. */
  readonly rate: number | null;
}

export interface StreamsAnswer {
  /** Null until the first answer. */
  readonly streams: readonly StreamRow[] | null;
  /** Why the last question was not answered; the streams are then the last known. */
  readonly problem: string | null;
}

const ASK_EVERY_MS = 2_000;

export function useStreams(): StreamsAnswer {
  const [answer, setAnswer] = useState<StreamsAnswer>({ streams: null, problem: null });
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const samples = new Map<string, Sample>();
    const ask = async () => {
      clearTimeout(timer);
      if (document.visibilityState === 'visible') {
        try {
          const streams = await api.streams();
          if (!over) {
            setAnswer({ streams: streams.map((stream) => withRate(stream, samples)), problem: null });
          }
        } catch (error) {
          if (!over && error instanceof ApiError) {
            setAnswer(({ streams }) => ({ streams, problem: error.message }));
          }
        }
      }
      if (!over) {
        timer = setTimeout(ask, ASK_EVERY_MS);
      }
    };
    const onVisible = () => void (document.visibilityState === 'visible' && ask());
    document.addEventListener('visibilitychange', onVisible);
    void ask();
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, []);
  return answer;
}

function withRate(stream: StreamInfo, samples: Map<string, Sample>): StreamRow {
  const at_ms = performance.now();
  const before = samples.get(stream.name);
  const rate = nextRate(before, at_ms, stream.events);
  samples.set(stream.name, { at_ms, events: stream.events, rate });
  return { ...stream, rate };
}
