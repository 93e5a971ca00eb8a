/**
 * Chooses the span that a board shows: quick ranges, anything typed, two ends, and the zone to read them in.
 *
 * Knows nothing of boards: it is given what is chosen and says what is chosen next.
 */

import { type RefObject, Suspense } from 'react';
import { ClockIcon } from '../shared/icons';
import { later } from '../shared/later';
import { Popover } from '../shared/popover';
import { describe, type TimeRange } from './range';

const TimeChoices = later(async () => (await import('./timeChoices')).TimeChoices);

export interface TimePickerProps {
  /** Null while every panel shows its own span. */
  readonly range: TimeRange | null;
  readonly onRange: (range: TimeRange | null) => void;
  /** The zone that the board's own definition names; undefined for the browser's. */
  readonly boardZone: string | undefined;
  /** The zone chosen, if one was. */
  readonly zone: string | null;
  readonly onZone: (zone: string | null) => void;
  readonly now_ms: () => number;
  readonly handle?: RefObject<(() => void) | null>;
}

export function TimePicker(props: TimePickerProps) {
  const { range, boardZone, zone, handle } = props;
  const shownZone = zone ?? boardZone;
  const text = range === null ? 'Live' : describe(range, shownZone);
  return (
    <Popover
      label={`${text}${zone === null ? '' : ` ${zoneLabel(zone)}`}: time range`}
      title="Time range (t)"
      className="button time-button"
      surfaceClass="time-picker"
      {...(handle === undefined ? {} : { handle })}
      button={
        <>
          <ClockIcon size={14} />
          <span className="truncate">{text}</span>
          {zone === null ? null : <span className="text-t3">{zoneLabel(zone)}</span>}
        </>
      }
    >
      {(close) => (
        <Suspense fallback={<div className="time-side" />}>
          <TimeChoices {...props} close={close} />
        </Suspense>
      )}
    </Popover>
  );
}

function zoneLabel(zone: string): string {
  return zone.split('/').at(-1)?.replaceAll('_', ' ') ?? zone;
}
