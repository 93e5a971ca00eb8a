/**
 * A board in small, live: its first panels as they are, drawn at a desk's size and scaled down. Followed only while it can be seen.
 *
 * It cannot be used, only looked at: keys and screen readers pass it by.
 */

import { type CSSProperties, useEffect, useMemo, useRef, useState } from 'react';
import type { Board } from '../shared/api';
import { boardClock } from '../shared/boardClock';
import { NO_QUERY } from '../shell';
import { PanelGrid } from './grid';
import { LivePanel } from './panel';
import type { PanelSpan } from './panelBody';
import { useBoard } from './useBoard';
import { useBoardFeeds } from './useBoardFeeds';

/** The board is laid out as on a page of this width. */
const LAID_OUT_PX = 1_180;
/** Panels that begin below this row are cut off anyway. */
const ROWS = 8;

export function BoardThumbnail({ id }: { readonly id: string }) {
  const { board } = useBoard(id);
  const host = useRef<HTMLDivElement>(null);
  const [scale, setScale] = useState(0);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const element = host.current;
    if (element === null) {
      return;
    }
    const size = new ResizeObserver(() => setScale(element.clientWidth / LAID_OUT_PX));
    const sight = new IntersectionObserver(([entry]) => setSeen(entry?.isIntersecting === true), {
      rootMargin: '120px',
    });
    size.observe(element);
    sight.observe(element);
    return () => {
      size.disconnect();
      sight.disconnect();
    };
  }, []);
  const style = { '--scale': scale, '--laid-out': `${LAID_OUT_PX}px` } as CSSProperties;
  return (
    <div ref={host} className="thumbnail" style={style} inert aria-hidden="true">
      {board !== null && scale > 0 && seen ? <Panels board={board} /> : null}
    </div>
  );
}

function Panels({ board }: { readonly board: Board }) {
  const shown = useMemo(() => ({ ...board, panels: board.panels.filter(({ y }) => y < ROWS) }), [board]);
  const zone = board.timezone ?? undefined;
  const feeds = useBoardFeeds(shown, NO_QUERY, zone);
  const spans = useMemo(() => {
    const made = new Map<string, PanelSpan>();
    for (const [panel, plan] of feeds.plans) {
      made.set(panel, { clock: boardClock, range_ms: plan?.range_ms ?? 0, from_ms: null });
    }
    return made;
  }, [feeds.plans]);
  return (
    <div className="thumbnail-board">
      <PanelGrid panels={shown.panels}>
        {(panel) => (
          <LivePanel
            panel={panel}
            feed={feeds.feed(panel.id)}
            zone={zone}
            span={spans.get(panel.id) ?? { clock: boardClock, range_ms: 0, from_ms: null }}
            legends="short"
            related={feeds.feed}
            refused={null}
            ages={false}
            staleAfter_ms={null}
            hint={undefined}
            menu={null}
          />
        )}
      </PanelGrid>
    </div>
  );
}
