'use client';
/** The alerts that fire and those that ended, from the channel `alerts`. What the server refuses is told in `error`. */

import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { useScope } from '../shared/context.js';
import { type Alerts, alertStoreOf, NO_ALERTS } from './alertStore.js';

const nothing = () => () => {};
const none = () => NO_ALERTS;

/** Follows the channel `alerts`, another tail with the same columns, or a view whose rows are firings (`view:my_alerts`). */
export function useAlerts(channel = 'alerts'): Alerts {
  const { client } = useScope();
  const store = useMemo(() => (client === null ? null : alertStoreOf(client, channel)), [client, channel]);
  useEffect(() => store?.start(), [store]);
  return useSyncExternalStore(store?.subscribe ?? nothing, store?.snapshot ?? none, none);
}
