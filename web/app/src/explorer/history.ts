/** The queries that were run here, newest first, kept in this browser. */

const KEY = 'pulseboard.queries';
const QUERIES_MAX = 30;

export function loadHistory(): readonly string[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(value) ? value.filter((sql) => typeof sql === 'string').slice(0, QUERIES_MAX) : [];
  } catch {
    return [];
  }
}

/** Puts a query on top; a query is kept once. */
export function remember(history: readonly string[], sql: string): readonly string[] {
  const next = [sql, ...history.filter((each) => each !== sql)].slice(0, QUERIES_MAX);
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // Private windows may refuse; the history then lasts as long as the page.
  }
  return next;
}
