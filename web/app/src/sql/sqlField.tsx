/** A SQL editor as a field: a value, what happens when it changes, and what is wrong with it, marked at its place. */

import { useEffect, useRef } from 'react';
import type { Catalogue } from './completion';
import type { QueryProblem } from './problem';
import { SqlEditor } from './sqlEditor';

interface SqlFieldProps {
  readonly value: string;
  readonly onChange: (sql: string) => void;
  readonly onRun?: () => void;
  readonly catalogue: Catalogue;
  readonly problem: QueryProblem | null;
  readonly focus?: boolean;
}

export function SqlField({ value, onChange, onRun, catalogue, problem, focus = false }: SqlFieldProps) {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<SqlEditor | null>(null);
  const handlers = useRef({ onChange, onRun });
  handlers.current = { onChange, onRun };
  const first = useRef({ value, focus });
  useEffect(() => {
    if (host.current === null) {
      return;
    }
    const made = new SqlEditor({
      parent: host.current,
      text: first.current.value,
      onRun: () => handlers.current.onRun?.(),
      onChange: (text) => handlers.current.onChange(text),
    });
    editor.current = made;
    if (first.current.focus) {
      made.focus();
    }
    return () => {
      made.destroy();
      editor.current = null;
    };
  }, []);
  useEffect(() => {
    // Undo outside of the editor, or another file: what was typed here is there already.
    if (editor.current !== null && editor.current.text !== value) {
      editor.current.text = value;
    }
  }, [value]);
  useEffect(() => editor.current?.complete(catalogue), [catalogue]);
  useEffect(() => editor.current?.mark(problem?.place ?? null, problem?.message ?? ''), [problem]);
  return <div ref={host} className="min-h-0 flex-1 overflow-auto" />;
}
