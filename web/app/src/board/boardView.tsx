/**
 * A board that is known, as its link says: span, zone, variables, one panel alone, wall screen. Every choice goes into the link first.
 *
 * Lays out and connects; panels find their data through feeds, and draw beside React.
 */

import { localZone } from '@pulseboard/react/format';
import { Suspense, useEffect, useMemo, useRef, useState } from 'react';
import type { Board, BoardName, Panel as PanelInfo } from '../shared/api';
import { boardClock } from '../shared/boardClock';
import { EditIcon, KioskIcon, LinkIcon } from '../shared/icons';
import { later } from '../shared/later';
import { client, useConnection } from '../shared/live';
import { mayEdit } from '../shared/rights';
import { useSession } from '../shared/session';
import { type BoardQuery, boardRoute, go, routeHref, TopBar, useKeys } from '../shell';
import { isZone, makeAbsolute, moved, type Span, TimePicker, type TimeRange, zoomedOut } from '../time';
import { staleAfter_ms } from './freshness';
import { PanelGrid } from './grid';
import { LivePanel } from './panel';
import type { PanelSpan } from './panelBody';
import { PanelMenu } from './panelMenu';
import { type PanelPlan, panelSql, variablesOf } from './plan';
import { type BoardFeeds, useBoardFeeds } from './useBoardFeeds';
import { useKiosk } from './useKiosk';
import { Variables } from './variables';

const ShareDialog = later(async () => (await import('./shareDialog')).ShareDialog);
// Looked into now and then, and with a table and an editor's worth of code.
const Inspect = later(async () => (await import('./inspect')).Inspect);

export interface BoardViewProps {
  readonly id: string;
  readonly board: Board;
  readonly boards: readonly BoardName[];
  readonly query: BoardQuery;
  /** Variables that cannot be chosen; there are such for readers of a link alone. */
  readonly fixed?: { readonly [name: string]: string };
}

export function BoardView({ id, board, boards, query, fixed }: BoardViewProps) {
  const zone = query.zone !== null && isZone(query.zone) ? query.zone : (board.timezone ?? undefined);
  const feeds = useBoardFeeds(board, query, zone);
  const { subscription, span } = feeds;
  const connection = useConnection();
  const [paused, setPaused] = useState(false);
  const [legends, setLegends] = useState<'short' | 'full'>('short');
  const [inspected, setInspected] = useState<string | null>(null);
  const [sharing, setSharing] = useState(false);
  const session = useSession();
  const edits = fixed === undefined && mayEdit(session);
  const openPicker = useRef<(() => void) | null>(null);
  useKiosk(query.kiosk);

  const past = span !== null && !span.live;
  useEffect(() => {
    boardClock.setPaused(paused);
    if (paused) {
      subscription?.pause();
    } else {
      subscription?.resume();
    }
    return () => boardClock.setPaused(false);
  }, [subscription, paused]);

  const change = (part: Partial<BoardQuery>) => go(boardRoute(id, { ...query, ...part }));
  const setRange = (range: TimeRange | null) => change({ range });
  const goLive = () => {
    setPaused(false);
    if (past) {
      setRange(null);
    }
  };
  useBoardKeys({ id, edits, span, query, change, openPicker, inspect: setInspected, setLegends });

  const alone = board.panels.find((panel) => panel.id === query.panel);
  const shown = useMemo(() => (alone === undefined ? board.panels : [{ ...alone, ...WHOLE }]), [board, alone]);
  const context = [board.description, zone ?? localZone()].filter(Boolean).join(' · ');
  const mode = past ? 'past' : paused ? 'paused' : 'live';
  const values = variablesOf(board, query.variables);
  const variables = (board.variables ?? []).filter(({ name }) => fixed === undefined || !(name in fixed));
  const inspectedPanel = board.panels.find((panel) => panel.id === inspected);
  const spans = usePanelSpans(feeds.plans, setRange);
  return (
    <>
      <TopBar
        title={board.title}
        context={context}
        zone={zone}
        play={{ mode, setPaused, goLive, end_ms: past ? span.to_ms : null, subscription }}
      >
        <BoardChoice id={id} boards={boards} />
        <TimePicker
          range={query.range}
          onRange={setRange}
          boardZone={board.timezone ?? undefined}
          zone={query.zone}
          onZone={(chosen) => change({ zone: chosen })}
          now_ms={() => client.serverNow_ms()}
          handle={openPicker}
        />
        {edits ? (
          <>
            <button
              type="button"
              className="icon-button share-button"
              onClick={() => setSharing(true)}
              aria-label="Share the board"
              title="Share"
            >
              <LinkIcon size={16} />
            </button>
            <a
              className="icon-button edit-button"
              href={routeHref({ page: 'edit', board: id })}
              aria-label="Edit the board"
              title="Edit (e)"
            >
              <EditIcon size={16} />
            </a>
          </>
        ) : null}
        <button
          type="button"
          className="icon-button kiosk-button"
          onClick={() => change({ kiosk: true })}
          aria-label="Wall screen"
          title="Wall screen (d k)"
        >
          <KioskIcon size={16} />
        </button>
      </TopBar>
      {variables.length === 0 ? null : (
        <Variables
          variables={variables}
          values={values}
          onChange={(name, value) => change({ variables: { ...query.variables, [name]: value } })}
        />
      )}
      {feeds.badRange ? <p className="bar-note">The span in the link makes no sense; the board is live.</p> : null}
      <div data-alone={alone !== undefined} className="board-host">
        <PanelGrid panels={shown} offline={connection.status !== 'open' && connection.status !== 'idle'}>
          {(panel) => (
            <BoardPanel
              key={panel.id}
              panel={panel}
              feeds={feeds}
              zone={zone}
              span={spans(panel.id)}
              legends={legends}
              ages={!paused && !past}
              menu={
                <PanelMenu
                  board={id}
                  panel={panel}
                  edits={edits}
                  feed={feeds.feed(panel.id)}
                  sql={panelSql(panel, feeds.viewSql)}
                  alone={alone !== undefined}
                  onAlone={() => change({ panel: alone === undefined ? panel.id : null })}
                  onInspect={() => setInspected(panel.id)}
                />
              }
            />
          )}
        </PanelGrid>
      </div>
      {sharing ? (
        <Suspense fallback={null}>
          <ShareDialog board={id} values={values} close={() => setSharing(false)} />
        </Suspense>
      ) : null}
      {inspectedPanel === undefined ? null : (
        <Suspense fallback={null}>
          <Inspect
            panel={inspectedPanel}
            feed={feeds.feed(inspectedPanel.id)}
            plan={feeds.plans.get(inspectedPanel.id) ?? null}
            sql={panelSql(inspectedPanel, feeds.viewSql)}
            subscription={subscription}
            zone={zone}
            onClose={() => setInspected(null)}
          />
        </Suspense>
      )}
    </>
  );
}

/** Where a panel lies that is shown alone. */
const WHOLE = { x: 0, y: 0, w: 12, h: 8 } as const;

interface BoardPanelProps {
  readonly panel: PanelInfo;
  readonly feeds: BoardFeeds;
  readonly zone: string | undefined;
  readonly span: PanelSpan;
  readonly legends: 'short' | 'full';
  readonly ages: boolean;
  readonly menu: React.ReactNode;
}

function BoardPanel({ panel, feeds, zone, span, legends, ages, menu }: BoardPanelProps) {
  const plan = feeds.plans.get(panel.id) ?? null;
  const sql = panelSql(panel, feeds.viewSql);
  const errors = feeds.subscription?.errors;
  const refused = plan?.channel ? (errors?.get(plan.channel) ?? errors?.get('') ?? null) : null;
  return (
    <LivePanel
      panel={panel}
      feed={feeds.feed(panel.id)}
      zone={zone}
      span={span}
      legends={legends}
      related={feeds.feed}
      refused={refused}
      ages={ages}
      staleAfter_ms={staleAfter_ms(panel, sql, feeds.sources)}
      hint={hintOf(panel, plan, feeds.span)}
      menu={menu}
    />
  );
}

/** A chart that does not follow the span chosen says how much it shows. */
function hintOf(panel: PanelInfo, plan: PanelPlan | null, span: Span | null): string | undefined {
  const differs = span !== null && plan !== null && !plan.follows && panel.type === 'timeseries';
  return differs ? `${Math.round(plan.range_ms / 60_000)} min` : undefined;
}

/** What charts show, one object per plan, so that they are only made anew when it changes. */
function usePanelSpans(plans: BoardFeeds['plans'], setRange: (range: TimeRange | null) => void) {
  const zooms = useRef<(TimeRange | null)[]>([]);
  const latest = useRef(setRange);
  latest.current = setRange;
  return useMemo(() => {
    const onZoom = (from_ms: number, to_ms: number) => {
      zooms.current.push(null);
      latest.current(makeAbsolute({ from_ms, to_ms, live: false }));
    };
    const onReset = () => {
      // The way back is the browser's own, so that it does not lie twice in the history.
      if (zooms.current.pop() !== undefined) {
        history.back();
      }
    };
    const made = new Map<string, PanelSpan>();
    for (const [panel, plan] of plans) {
      const to_ms = plan?.to_ms ?? null;
      const clock = to_ms === null ? boardClock : { now_ms: () => to_ms };
      made.set(panel, { clock, range_ms: plan?.range_ms ?? 0, from_ms: plan?.from_ms ?? null, onZoom, onReset });
    }
    const none: PanelSpan = { clock: boardClock, range_ms: 0, from_ms: null };
    return (panel: string) => made.get(panel) ?? none;
  }, [plans]);
}

interface BoardKeys {
  readonly id: string;
  readonly edits: boolean;
  readonly span: Span | null;
  readonly query: BoardQuery;
  readonly change: (part: Partial<BoardQuery>) => void;
  readonly openPicker: React.RefObject<(() => void) | null>;
  readonly inspect: (panel: string | null) => void;
  readonly setLegends: React.Dispatch<React.SetStateAction<'short' | 'full'>>;
}

/** The span that a board shows which nobody chose: about what its charts show. */
const UNCHOSEN_MS = 15 * 60_000;

function useBoardKeys(board: BoardKeys): void {
  const latest = useRef(board);
  latest.current = board;
  const keys = useMemo(() => {
    const shown = (): Span => {
      const now_ms = client.serverNow_ms();
      return latest.current.span ?? { from_ms: now_ms - UNCHOSEN_MS, to_ms: now_ms, live: true };
    };
    const range = (next: (span: Span) => TimeRange) => () => latest.current.change({ range: next(shown()) });
    return {
      't t': () => latest.current.openPicker.current?.(),
      't z': range(zoomedOut),
      't a': range(makeAbsolute),
      't ArrowLeft': range((span) => moved(span, -1)),
      't ArrowRight': range((span) => moved(span, 1)),
      'd k': () => latest.current.change({ kiosk: !latest.current.query.kiosk }),
      'd l': () => latest.current.setLegends((legends) => (legends === 'short' ? 'full' : 'short')),
      'd r': () => client.retryNow(),
      e: () => {
        if (!latest.current.edits) {
          return;
        }
        const panel = panelAtHand();
        go({ page: 'edit', board: latest.current.id, ...(panel === null ? {} : { panel }) });
      },
      v: () => {
        const { query, change } = latest.current;
        change({ panel: query.panel === null ? panelAtHand() : null });
      },
      i: () => latest.current.inspect(panelAtHand()),
      Escape: () => {
        const { query, change } = latest.current;
        if (query.panel !== null || query.kiosk) {
          change({ panel: null, kiosk: false });
        }
      },
    };
  }, []);
  useKeys(keys);
}

/** The panel under the pointer, or with the focus. */
function panelAtHand(): string | null {
  const slot =
    document.querySelector<HTMLElement>('.slot:focus-within') ?? document.querySelector<HTMLElement>('.slot:hover');
  return slot?.dataset.panel ?? null;
}

function BoardChoice({ id, boards }: { readonly id: string; readonly boards: readonly BoardName[] }) {
  if (boards.length < 2) {
    return null;
  }
  return (
    <select
      className="input board-choice"
      aria-label="Board"
      value={id}
      onChange={({ target }) => go({ page: 'board', board: target.value })}
    >
      {boards.map((each) => (
        <option key={each.id} value={each.id}>
          {each.title}
        </option>
      ))}
    </select>
  );
}
