/** What fires, in the top bar of every page: how many, and how bad; all of them in the list that opens below. */

import { AlertList, PulseboardProvider, useAlerts } from '@pulseboard/react';
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
  if (error !== null && alerts === null) {
    // Whoever may not follow alerts is not told of them.
    return null;
  }
  const fires = alerts?.filter(({ endedAt_ms }) => endedAt_ms === null) ?? [];
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
                {Math.min(firing, SHOWN_MAX)}
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
        {firing === 0 ? '' : `${says}: ${fires.at(-1)?.message ?? ''}`}
      </span>
    </>
  );
}
