/** The rows of a stream that were refused, as they come: which row, which field, why, and what was sent. */

import type { KeyedChannel } from '@pulseboard/client';
import { localZone } from '@pulseboard/react/format';
import { useEffect, useRef, useState } from 'react';
import { ApiError, api } from '../shared/api';
import { useChannel, useSubscription } from '../shared/live';
import { KeyedRows, LiveTable } from '../table';

const ROWS_MAX = 100;

/** The question to the stream of rejected rows; `rows` counts those that are not kept one by one. */
function rejectedSql(stream: string): string {
  const name = stream.replaceAll("'", "''");
  return `SELECT time, reason, field, "row", raw, source, rows FROM _rejected WHERE stream = '${name}' ORDER BY time DESC LIMIT ${ROWS_MAX}`;
}

export function Rejected({ stream }: { readonly stream: string }) {
  const [channel, setChannel] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let over = false;
    api.liveQuery(rejectedSql(stream), localZone()).then(
      ({ channel: found }) => over || setChannel(found),
      (error) => {
        // Without a single rejected row there is no such stream yet.
        const none = error instanceof ApiError && error.code !== 'offline';
        over || setProblem(none ? 'No row was ever rejected.' : 'the server cannot be reached');
      },
    );
    return () => {
      over = true;
    };
  }, [stream]);
  return (
    <div className="relative min-h-0 flex-1">
      {channel === null ? (
        <p className="panel-message absolute inset-0">{problem ?? ''}</p>
      ) : (
        <RejectedTable channel={channel} />
      )}
    </div>
  );
}

function RejectedTable({ channel: name }: { readonly channel: string }) {
  const subscription = useSubscription([name]);
  const channel = subscription?.channel(name);
  return channel?.kind === 'keyed' ? <Rows channel={channel} /> : null;
}

function Rows({ channel }: { readonly channel: KeyedChannel }) {
  const host = useRef<HTMLDivElement>(null);
  const empty = useChannel(channel, () => channel.loaded && channel.table.size === 0);
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const table = new LiveTable({ host: host.current, label: 'Rejected rows', zone: undefined });
    const rows = new KeyedRows(channel.table);
    const stop = channel.listen((changes) => table.show(rows, changes.replaced ? null : changes));
    return () => {
      stop();
      table.destroy();
    };
  }, [channel]);
  return (
    <>
      <div ref={host} className="absolute inset-0" />
      {empty ? <p className="panel-message absolute inset-0">No row of this stream was rejected.</p> : null}
    </>
  );
}
