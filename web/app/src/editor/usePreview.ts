/** A preview for as long as a component is on the screen. */

import { useEffect, useState, useSyncExternalStore } from 'react';
import { api } from '../shared/api';
import { client } from '../shared/live';
import { Preview, type PreviewSource, type PreviewState, type PreviewWorld } from './preview';

const WORLD: PreviewWorld = {
  ask: async ({ sql, timezone, params }) => (await api.liveQuery(sql, timezone, params)).channel,
  subscribe: (channel) => client.subscribe({ channels: [channel] }),
  after(delay_ms, call) {
    const timer = setTimeout(call, delay_ms);
    return () => clearTimeout(timer);
  },
};

const NOTHING: PreviewState = { shown: null, problem: null, behind: true };
const never = () => () => {};

/** Shows what is asked for; null while there is nothing to ask, and then what was shown stays. */
export function usePreview(source: PreviewSource | null): PreviewState {
  const [preview, setPreview] = useState<Preview | null>(null);
  useEffect(() => {
    const made = new Preview(WORLD);
    setPreview(made);
    return () => made.close();
  }, []);
  const text = source === null ? null : JSON.stringify(source);
  useEffect(() => {
    if (preview !== null && text !== null) {
      preview.show(JSON.parse(text) as PreviewSource);
    }
  }, [preview, text]);
  return useSyncExternalStore(
    preview === null ? never : (changed) => preview.listen(changed),
    () => preview?.state ?? NOTHING,
  );
}
