/** How the server keeps an answer: by deltas or by asking again, why, what it costs, and its plan. */

import { fixed, unitText } from '@pulseboard/react/format';
import type { Explanation } from '../shared/api';
import { WarningIcon } from '../shared/icons';

export function PlanBadge({ explanation, onOpen }: { readonly explanation: Explanation; readonly onOpen: () => void }) {
  const { mode, warnings } = explanation;
  const maintained = mode === 'maintained';
  return (
    <button
      type="button"
      className="badge"
      data-tone={maintained ? 'ok' : 'quiet'}
      onClick={onOpen}
      title="How and why"
    >
      {maintained ? 'Maintained' : 'Re-run'}
      {warnings.length === 0 ? null : (
        <span className="ml-1.5 flex items-center gap-1 text-warning">
          <WarningIcon size={11} />
          {warnings.length}
        </span>
      )}
    </button>
  );
}

export function Plan({ explanation }: { readonly explanation: Explanation }) {
  const { mode, reasons, warnings, running, streams, plan } = explanation;
  const changed = running !== null && running.mode !== mode && running.reason !== null;
  return (
    <section className="plan" tabIndex={0} aria-label="Plan">
      <p className="text-t1">
        {mode === 'maintained'
          ? 'Maintained: kept by deltas, each event changes only what it touches.'
          : 'Re-run: asked again at a bounded rate.'}
      </p>
      <ul>
        {reasons.map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
        {changed ? <li className="text-warning">re-run now: {running.reason}</li> : null}
        {warnings.map((warning) => (
          <li key={warning} className="text-warning">
            {warning}
          </li>
        ))}
      </ul>
      <dl>
        {figures(explanation).map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        <div>
          <dt>Reads</dt>
          <dd>{streams.join(', ') || 'nothing'}</dd>
        </div>
      </dl>
      {plan === '' ? null : <pre>{plan}</pre>}
    </section>
  );
}

/** What it costs, as far as it runs. */
function figures({ running }: Explanation): [string, string][] {
  if (running === null) {
    return [];
  }
  const { groups, state_bytes, cost_per_event_ns, events, late_rows, truncated_rows } = running;
  const found: [string, string][] = [
    ['Groups or rows', fixed(groups, 0)],
    ['State', unitText(state_bytes, 'bytes')],
    ['Events', fixed(events, 0)],
    ['Per event', `${fixed(cost_per_event_ns, 0)} ns`],
  ];
  if (late_rows > 0) {
    found.push(['Too late', `${fixed(late_rows, 0)} rows`]);
  }
  if (truncated_rows > 0) {
    found.push(['Refused by a limit', `${fixed(truncated_rows, 0)} rows`]);
  }
  return found;
}
