/** A panel as it will look: drawn by the board's own code from whatever its query gives now. */

import type { Subscription } from '@pulseboard/client';
import { useEffect, useMemo } from 'react';
import { LivePanel, type PanelFeed, type PanelSpan, parseSpan, staleAfter_ms } from '../board';
import type { Panel as PanelInfo } from '../shared/api';
import { boardClock } from '../shared/boardClock';
import { useSubscriptionStatus } from '../shared/live';
import type { QueryProblem } from '../sql';
import type { Draft, DraftPanel } from './draft';
import type { BoardFile } from './files';
import { sourceOf, zoneOf } from './source';
import { usePreview } from './usePreview';

/** What all pictures of a board have in common. */
export interface Scene {
  readonly draft: Draft;
  readonly file: BoardFile | null;
  /** What brings the panels whose queries are as saved. */
  readonly running: Subscription | null;
  /** What a panel draws from: the same for as long as the board is open, so that nothing blanks on the way. */
  readonly feed: (panel: string) => PanelFeed;
}

interface PictureProps {
  readonly panel: DraftPanel;
  readonly scene: Scene;
  readonly onProblem?: (problem: QueryProblem | null) => void;
}

/** How much a chart shows that says nothing else. */
const RANGE_MS = 300_000;

export function Picture({ panel, scene, onProblem }: PictureProps) {
  const { draft, file, running, feed: feedOf } = scene;
  const source = panel.type === 'text' ? null : sourceOf(panel, draft, file);
  const runs = source !== null && 'channel' in source && running?.options.channels.includes(source.channel) === true;
  const { shown: typed, problem } = usePreview(runs ? null : source);
  const subscription = runs ? running : (typed?.subscription ?? null);
  const channel = runs ? source.channel : (typed?.channel ?? null);
  const refused = runs ? null : problem;
  useEffect(() => onProblem?.(refused), [refused, onProblem]);

  const feed = feedOf(panel.id);
  useEffect(() => {
    const found = channel === null ? undefined : subscription?.channel(channel);
    if (found?.kind === 'keyed') {
      feed.follow(found, null);
    }
  }, [feed, subscription, channel]);

  const drawn = useDrawn(panel, channel ?? '');
  useSubscriptionStatus(subscription);
  const errors = subscription?.errors;
  const span = useMemo<PanelSpan>(
    () => ({ clock: boardClock, range_ms: parseSpan(drawn.options?.range) ?? RANGE_MS, from_ms: null }),
    [drawn],
  );
  if (source === null && panel.type !== 'text') {
    return <Empty panel={panel} reason="No query yet" />;
  }
  if (refused !== null && !feed.loaded) {
    return <Empty panel={panel} reason={refused.message} />;
  }
  return (
    <>
      <LivePanel
        panel={drawn}
        feed={feed}
        zone={zoneOf(draft)}
        span={span}
        legends="short"
        related={feedOf}
        refused={channel === null ? null : (errors?.get(channel) ?? errors?.get('') ?? null)}
        ages={refused === null}
        staleAfter_ms={staleAfter_ms(drawn, panel.sql ?? null, [])}
        hint={undefined}
        menu={null}
      />
      {refused === null ? null : <p className="ed-wrong">{refused.message}</p>}
    </>
  );
}

/** The panel as the board draws it. It stays the same object while it is only moved, so that no chart begins anew. */
function useDrawn(panel: DraftPanel, channel: string): PanelInfo {
  const { x: _x, y: _y, w, h: _h, sql: _sql, ...rest } = panel;
  const text = JSON.stringify({ ...rest, x: 0, y: 0, w, h: 4, channel });
  return useMemo(() => JSON.parse(text) as PanelInfo, [text]);
}

function Empty({ panel, reason }: { readonly panel: DraftPanel; readonly reason: string }) {
  return (
    <section className="panel" data-type={panel.type} aria-label={panel.title}>
      <header className="panel-head">
        <h2 className="panel-title">{panel.title}</h2>
      </header>
      <p className="panel-message">{reason}</p>
    </section>
  );
}
