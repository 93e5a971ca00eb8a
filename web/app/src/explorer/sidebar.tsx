/** What there is to ask, and what was asked before. */

import type { StreamInfo } from '../shared/api';
import { quoted } from '../sql';
import { sampleSql } from '../streams';

interface SidebarProps {
  /** Null until they are known. */
  readonly streams: readonly StreamInfo[] | null;
  readonly history: readonly string[];
  readonly insert: (text: string) => void;
  readonly open: (sql: string) => void;
}

export function Sidebar({ streams, history, insert, open }: SidebarProps) {
  return (
    <aside className="explore-side">
      <section className="panel" aria-label="Streams">
        <header className="panel-head">
          <h2 className="panel-title">Streams</h2>
        </header>
        {streams?.length === 0 ? <p className="text-t3">None yet. The streams page shows how to send events.</p> : null}
        <div className="min-h-0 overflow-auto">
          {(streams ?? []).map(({ name, schema }) => (
            <div key={name} className="relative">
              <button
                type="button"
                className="side-open"
                aria-label={`Newest events of ${name}`}
                onClick={() => open(sampleSql(name))}
              >
                newest
              </button>
              <details className="side-stream">
                <summary>
                  <span className="truncate font-mono">{name}</span>
                </summary>
                <ul>
                  {[{ name: 'time', type: 'time' }, ...schema.fields].map((field) => (
                    <li key={field.name}>
                      <button type="button" onClick={() => insert(quoted(field.name))}>
                        <span className="truncate font-mono">{field.name}</span>
                        <span className="text-t3">{field.type}</span>
                      </button>
                    </li>
                  ))}
                </ul>
              </details>
            </div>
          ))}
        </div>
      </section>
      {history.length === 0 ? null : (
        <section className="panel" aria-label="Earlier queries">
          <header className="panel-head">
            <h2 className="panel-title">Earlier</h2>
          </header>
          <ul className="min-h-0 overflow-auto">
            {history.map((sql) => (
              <li key={sql}>
                <button type="button" className="side-query" title={sql} onClick={() => open(sql)}>
                  {sql.replace(/\s+/g, ' ')}
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </aside>
  );
}
