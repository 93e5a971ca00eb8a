/** How the server keeps an answer: by deltas or by asking again, and why. */

import { fixed, unitText } from '@pulseboard/react/format';
import type { Explanation } from '../shared/api';
import { WarningIcon } from '../shared/icons';

export function ExplainBadge({ explanation }: { readonly explanation: Explanation }) {
  const { mode, reasons, warnings, running, streams } = explanation;
  const maintained = mode === 'maintained';
  return (
    <details className="explain">
      <summary className="badge" data-tone={maintained ? 'ok' : 'quiet'}>
        {maintained ? 'Maintained' : 'Re-run'}
        {warnings.length === 0 ? null : (
          <span className="ml-1.5 flex items-center gap-1 text-warning">
            <WarningIcon size={11} />
            {warnings.length}
          </span>
        )}
      </summary>
      <div className="explain-card">
        <p className="text-t1">
          {maintained ? 'Kept by deltas: each event changes only what it touches.' : 'Asked again at a bounded rate.'}
        </p>
        <ul>
          {reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
          {running === null || running.mode === mode || running.reason === null ? null : (
            <li className="text-warning">re-run now: {running.reason}</li>
          )}
          {warnings.map((warning) => (
            <li key={warning} className="text-warning">
              {warning}
            </li>
          ))}
        </ul>
        <p className="text-t3">
          Reads {streams.join(', ') || 'nothing'}
          {running === null
            ? ''
            : ` · ${fixed(running.groups, 0)} groups or rows · ${unitText(running.state_bytes, 'bytes')} of state · ${fixed(running.cost_per_event_ns, 0)} ns per event`}
          {running !== null && running.late_rows > 0 ? ` · ${fixed(running.late_rows, 0)} rows came too late` : ''}
          {running !== null && running.truncated_rows > 0
            ? ` · ${fixed(running.truncated_rows, 0)} rows refused by a limit`
            : ''}
        </p>
      </div>
    </details>
  );
}
