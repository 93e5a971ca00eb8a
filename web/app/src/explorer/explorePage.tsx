/** Live SQL: type, run, watch the answer change. The text is in the URL, so a link shares it. */

import { localZone } from '@pulseboard/react/format';
import { useCallback, useEffect, useRef, useState } from 'react';
import { PlayIcon, WarningIcon } from '../shared/icons';
import { replaceRoute, TopBar } from '../shell';
import { type QueryProblem, SqlEditor, useCatalogue } from '../sql';
import { useStreams } from '../streams';

import { loadHistory, remember } from './history';
import { Result } from './result';
import { Sidebar } from './sidebar';
import { useQuery } from './useQuery';

const MAC = /Mac|iP(hone|ad)/.test(navigator.platform);

export function ExplorePage({ sql }: { readonly sql: string | null }) {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<SqlEditor | null>(null);
  const [history, setHistory] = useState(loadHistory);
  const onAccepted = useCallback((accepted: string) => {
    setHistory((held) => remember(held, accepted));
    replaceRoute({ page: 'explore', sql: accepted });
  }, []);
  const { query, problem, busy, run } = useQuery(onAccepted);

  const runEditor = useCallback(() => {
    const text = editor.current?.text.trim() ?? '';
    if (text !== '') {
      void run(text);
    }
  }, [run]);

  const open = useCallback(
    (text: string) => {
      if (editor.current !== null) {
        editor.current.text = text;
      }
      void run(text);
    },
    [run],
  );

  // The editor is made once; what the URL says is put into it whenever it is not what is there already.
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const made = new SqlEditor({ parent: host.current, text: '', onRun: runEditor });
    editor.current = made;
    made.focus();
    return () => {
      made.destroy();
      editor.current = null;
    };
  }, [runEditor]);
  useEffect(() => {
    if (sql !== null && editor.current !== null && editor.current.text.trim() !== sql) {
      open(sql);
    }
  }, [sql, open]);
  useEffect(() => editor.current?.mark(problem?.place ?? null, problem?.message ?? ''), [problem]);
  const { streams } = useStreams();
  const catalogue = useCatalogue(streams);
  useEffect(() => editor.current?.complete(catalogue), [catalogue]);

  return (
    <>
      <TopBar title="Explore" context={`SQL whose answer stays live · ${localZone()}`} />
      <div className="explore">
        <div className="explore-main">
          <section className="panel editor" aria-label="Query">
            <div ref={host} className="min-h-0 flex-1 overflow-auto" />
            <footer className="editor-foot">
              {problem === null ? null : <Problem problem={problem} />}
              <button type="button" className="button-primary" onClick={runEditor} disabled={busy}>
                <PlayIcon size={11} />
                Run
                <kbd>{MAC ? '⌘ ↵' : 'Ctrl ↵'}</kbd>
              </button>
            </footer>
          </section>
          {query === null ? (
            <section className="panel result" aria-label="Answer">
              <p className="panel-message">The answer shows here and follows every event.</p>
            </section>
          ) : (
            <Result
              key={query.channel}
              query={query}
              outdated={problem !== null}
              onForgotten={() => void run(query.sql)}
            />
          )}
        </div>
        <Sidebar streams={streams} history={history} insert={(text) => editor.current?.insert(text)} open={open} />
      </div>
    </>
  );
}

function Problem({ problem }: { readonly problem: QueryProblem }) {
  const { message, place } = problem;
  return (
    <p className="problem" role="alert">
      <WarningIcon size={13} />
      <span>
        {place === null ? null : <b>{`line ${place.line}, column ${place.column}: `}</b>}
        {message}
      </span>
    </p>
  );
}
