/** What fires, in the top bar of every page: how many, and how bad; all of them in the list that opens below. */

import { type AlertItem, AlertList, PulseboardProvider, useAlerts } from '@pulseboard/react';
import { useEffect, useRef, useState } from 'react';
import { client } from '../shared/live';
import { Popover } from '../shared/popover';
import { BellIcon } from '../shared/rareIcons';
import './bell.css';

const SHOWN_MAX = 99;

export function Bell() {
  return (
    <PulseboardProvider client={client}>
      <BellButton />
    </PulseboardProvider>
  );
}

function BellButton() {
  const { alerts, firing, error, live } = useAlerts();
  const before = useRef<readonly AlertItem[] | null>(null);
  const [said, say] = useState('');
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is said when alerts change, in the words of that moment
  useEffect(() => {
    const known = before.current;
    // What is known from an earlier visit, and what fires when the page opens, is no news.
    if (alerts !== null && live.asOf_ms === null) {
      before.current = alerts;
      say(known === null ? '' : newsOf(known, alerts));
    }
  }, [alerts]);
  if (error !== null && alerts === null) {
    // Whoever may not follow alerts is not told of them.
    return null;
  }
  const fires = alerts?.filter(isFiring) ?? [];
  const worst = ['critical', 'warning'].find((each) => fires.some(({ severity }) => severity === each)) ?? 'info';
  const says = firing === 0 ? 'none firing' : `${firing} firing`;
  const label = alerts === null ? 'Alerts' : `Alerts: ${says}`;
  return (
    <>
      <Popover
        label={label}
        title={label}
        className="icon-button bell"
        surfaceClass="bell-list"
        button={
          <>
            <BellIcon size={16} />
            {firing === 0 ? null : (
              <span className="bell-count" data-severity={worst}>
                {firing > SHOWN_MAX ? `${SHOWN_MAX}+` : firing}
              </span>
            )}
          </>
        }
      >
        {() => (
          <>
            <AlertList title="Alerts" alerts={alerts} limit={SHOWN_MAX} {...live} />
            {alerts?.length === 0 ? (
              <p className="bell-how">
                Nothing has fired. Other programs tell of what does with <code>POST /api/v1/alerts/events</code>.
              </p>
            ) : null}
          </>
        )}
      </Popover>
      <span role="status" className="sr-only">
        {said}
      </span>
    </>
  );
}

function isFiring({ endedAt_ms }: AlertItem): boolean {
  return endedAt_ms === null || endedAt_ms === undefined;
}

/** In words what began to fire, and when nothing fires any more. What was told last stands last. */
function newsOf(before: readonly AlertItem[], now: readonly AlertItem[]): string {
  const fired = new Set(before.filter(isFiring).map(({ id }) => id));
  const begun = now.filter((alert) => isFiring(alert) && !fired.has(alert.id));
  const firing = now.filter(isFiring).length;
  if (begun.length > 0) {
    return `${firing} ${firing === 1 ? 'alert fires' : 'alerts fire'}: ${begun.at(-1)?.message ?? ''}`;
  }
  return fired.size > 0 && firing === 0 ? 'no alert fires any more' : '';
}
