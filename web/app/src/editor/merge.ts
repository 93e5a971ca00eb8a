/**
 * Two people changed one board: what each of them did, in words, and both together.
 *
 * Pure. A panel counts as a whole: where both changed the same one, mine stands and is named.
 */

import { type Draft, type DraftPanel, panelOf, sameDraft } from './draft';

/** What was done between two states of a board, a sentence each. */
export function changesBetween(before: Draft, after: Draft): string[] {
  const said: string[] = [];
  if (!sameDraft({ ...before, panels: [] }, { ...after, panels: [] })) {
    said.push(before.title === after.title ? 'changed the board’s settings' : `named it “${after.title}”`);
  }
  for (const panel of after.panels) {
    const was = panelOf(before, panel.id);
    if (was === undefined) {
      said.push(`added “${panel.title}”`);
    } else if (!samePanel(was, panel)) {
      said.push(`${onlyMoved(was, panel) ? 'moved' : 'changed'} “${panel.title}”`);
    }
  }
  for (const panel of before.panels) {
    if (panelOf(after, panel.id) === undefined) {
      said.push(`removed “${panel.title}”`);
    }
  }
  return said;
}

export interface Merged {
  readonly draft: Draft;
  /** The titles of panels that both changed, each in their way. */
  readonly contested: readonly string[];
}

/** Their state with my changes on top. */
export function merge(base: Draft, mine: Draft, theirs: Draft): Merged {
  const contested: string[] = [];
  const ids = [...new Set([...theirs.panels, ...mine.panels].map(({ id }) => id))];
  const panels = ids.flatMap((id) => {
    const [was, my, their] = [panelOf(base, id), panelOf(mine, id), panelOf(theirs, id)];
    const iDid = !samePanel(was, my);
    const theyDid = !samePanel(was, their);
    if (iDid && theyDid && !samePanel(my, their)) {
      contested.push((my ?? their)?.title ?? id);
    }
    const kept = iDid ? my : their;
    return kept === undefined ? [] : [kept];
  });
  const boardOf = ({ panels: _, ...board }: Draft) => ({ ...board, panels: [] });
  const settings = sameDraft(boardOf(base), boardOf(mine)) ? theirs : mine;
  return { draft: { ...settings, panels }, contested };
}

function samePanel(a: DraftPanel | undefined, b: DraftPanel | undefined): boolean {
  if (a === undefined || b === undefined) {
    return a === b;
  }
  return sameDraft({ title: '', panels: [a] }, { title: '', panels: [b] });
}

function onlyMoved(was: DraftPanel, is: DraftPanel): boolean {
  const { x, y, w, h } = is;
  return samePanel({ ...was, x, y, w, h }, is);
}
