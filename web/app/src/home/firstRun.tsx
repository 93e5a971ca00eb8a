/** Three ways to send data, as texts that work when they are pasted: a command, a file, a source in the configuration. */

import { useId, useState } from 'react';
import { API_URL } from '../shared/api';
import { routeHref } from '../shell';
import { Command, curlCommand } from '../streams';

interface Way {
  readonly label: string;
  readonly say: string;
  readonly text: string;
  readonly after: string;
}

const EVENT = { item: 'flask', total: 24.5 };

function ways(): readonly Way[] {
  const lines = ['{"item":"flask","total":24.5}', '{"item":"shell","total":7}'];
  const file = `printf '%s\\n' '${lines.join("' '")}' > orders.ndjson`;
  return [
    {
      label: 'One event',
      say: 'A stream appears by being written to. Paste this into a terminal:',
      text: curlCommand(API_URL, 'orders', EVENT),
      after: 'Each POST is durable before it is answered, and on the screen some milliseconds later.',
    },
    {
      label: 'A file',
      say: 'One JSON object per line, or a JSON array:',
      text: `${file}\ncurl -X POST ${API_URL}streams/orders/events \\\n  -H 'content-type: application/x-ndjson' --data-binary @orders.ndjson`,
      after: 'Large files go in parts, with progress: pulseboard ingest orders orders.ndjson',
    },
    {
      label: 'A source',
      say: 'The server fetches by itself what the configuration names. This machine, for a start:',
      text: 'cat > pulseboard.toml <<END\n[[sources]]\nkind = "host"\nEND\npulseboard serve --config pulseboard.toml',
      after: 'pulseboard check pulseboard.toml says what is wrong before it runs.',
    },
  ];
}

export function FirstRun({ first }: { readonly first: boolean }) {
  const titleId = useId();
  const [chosen, setChosen] = useState(0);
  const all = ways();
  const way = all[chosen];
  return (
    <section className="panel first-run" aria-labelledby={titleId} data-first={first}>
      <header className="panel-head">
        <h2 id={titleId} className="panel-title">
          {first ? 'Send your first events' : 'Send data'}
        </h2>
        <div className="tabs ml-auto" role="tablist" aria-label="Ways to send data">
          {all.map(({ label }, index) => (
            <button
              key={label}
              type="button"
              role="tab"
              className="tab"
              aria-selected={index === chosen}
              onClick={() => setChosen(index)}
            >
              {label}
            </button>
          ))}
        </div>
      </header>
      {way === undefined ? null : (
        <div role="tabpanel" aria-label={way.label}>
          <p>{way.say}</p>
          <Command key={way.label} text={way.text} />
          <p className="text-t2">{way.after}</p>
          <p>
            Then look at <a href={routeHref({ page: 'stream', stream: 'orders' })}>the stream</a>, or ask{' '}
            <a href={routeHref({ page: 'explore', sql: QUESTION })}>what sells</a>.
          </p>
        </div>
      )}
    </section>
  );
}

const QUESTION =
  'SELECT item, count(*) AS orders, sum(total) AS revenue\nFROM orders GROUP BY item ORDER BY revenue DESC';
