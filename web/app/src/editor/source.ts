/** Where a panel's picture comes from while it is edited: what runs already if its query is as saved, else a query of its own. */

import type { BoardVariable } from '../shared/api';
import { isZone } from '../time';
import type { Draft, DraftPanel } from './draft';
import { panelOf } from './draft';
import type { BoardFile } from './files';
import type { PreviewSource } from './preview';

/** Null while the panel asks for nothing. */
export function sourceOf(panel: DraftPanel, draft: Draft, file: BoardFile | null): PreviewSource | null {
  if (panel.view !== undefined && panel.view !== null && panel.view !== '') {
    return { channel: `view:${panel.view}` };
  }
  const sql = panel.sql?.trim() ?? '';
  if (sql === '') {
    return null;
  }
  const saved = savedChannel(panel.id, file);
  if (saved !== null && asksTheSame(panel, sql, draft, file)) {
    return { channel: saved };
  }
  const params = Object.fromEntries(
    variablesOf(draft)
      .filter(({ name, default: value }) => value !== undefined && takes(sql, name))
      .map(({ name, default: value }) => [name, String(value)]),
  );
  return { query: { sql, timezone: zoneOf(draft) ?? 'UTC', params } };
}

/** The channel that a panel has had since it was saved, whatever it asks now. */
export function savedChannel(id: string, file: BoardFile | null): string | null {
  return file?.board.panels.find((panel) => panel.id === id)?.channel ?? null;
}

/** Whether a panel asks what it asked when it was saved. */
function asksTheSame(panel: DraftPanel, sql: string, draft: Draft, file: BoardFile | null): boolean {
  if (file === null || file.draft.timezone !== draft.timezone || panelOf(file.draft, panel.id)?.sql?.trim() !== sql) {
    return false;
  }
  return JSON.stringify(variablesOf(file.draft)) === JSON.stringify(variablesOf(draft));
}

/** The board's zone; undefined while what is typed is none. */
export function zoneOf({ timezone }: Draft): string | undefined {
  return timezone != null && isZone(timezone) ? timezone : undefined;
}

export function variablesOf(draft: Draft): readonly BoardVariable[] {
  return draft.variables ?? [];
}

/** Whether a query takes the parameter; the name may be half typed and anything. */
function takes(sql: string, name: string): boolean {
  return [...sql.matchAll(/\$(\w+)/g)].some(([, found]) => found === name);
}
