/**
 * What the panels of a board draw from: one subscription for all that is live, so that they stand at the same instant, and what is
 * asked once beside it. A panel's feed outlives every change of span, zone or variables, so that nothing blanks on the way.
 */

import { RequestError, type Subscription, type ViewState } from '@pulseboard/client';
import { useEffect, useMemo, useRef, useState } from 'react';
import { ApiError, api, type Board, type SourceInfo } from '../shared/api';
import { client, subscribeEarly, useSubscription } from '../shared/live';
import { isShare } from '../shared/pass';
import type { BoardQuery } from '../shell';
import { resolve, type Span, toServer } from '../time';
import { type Ask, type Chosen, channelsOf, type PanelPlan, planBoard, variablesOf } from './plan';
import { AskedSource, isAway, PanelFeed } from './source';

/** How often a relative span that does not move by itself, like `now/d`, is resolved anew. */
const RESOLVE_EVERY_MS = 30_000;

export interface BoardFeeds {
  readonly subscription: Subscription | null;
  readonly span: Span | null;
  /** Whether the span in the link makes no sense. */
  readonly badRange: boolean;
  readonly plans: ReadonlyMap<string, PanelPlan | null>;
  readonly viewSql: ReadonlyMap<string, string>;
  readonly sources: readonly SourceInfo[];
  readonly feed: (panel: string) => PanelFeed;
}

export function useBoardFeeds(board: Board, query: BoardQuery, zone: string | undefined): BoardFeeds {
  const { viewSql, sources, known } = useCatalogue(board);
  const span = useSpan(query, zone);
  const { range } = query;
  const variablesKey = JSON.stringify(query.variables);
  const spanKey = span === null || range === null ? '' : JSON.stringify(toServer(range, span));
  // biome-ignore lint/correctness/useExhaustiveDependencies: spans and variables are compared by what they say
  const plans = useMemo(() => {
    const variables = variablesOf(board, query.variables);
    const chosen: Chosen = { range, span, zone: query.zone, variables, viewSql };
    return known ? planBoard(board, chosen) : NO_PLANS;
  }, [board, range?.from, range?.to, spanKey, query.zone, variablesKey, viewSql, known]);

  const channels = useMemo(() => channelsOf(plans), [plans]);
  const subscription = useSubscription(channels, zoneOf(query));

  const feeds = useRef(new Map<string, PanelFeed>());
  const feed = useMemo(
    () => (panel: string) => {
      const held = feeds.current.get(panel) ?? new PanelFeed();
      feeds.current.set(panel, held);
      return held;
    },
    [],
  );
  useEffect(() => {
    const mine = subscription === null ? channels.length === 0 : follows(subscription, channels, query.zone);
    if (!mine) {
      return;
    }
    const abort = new AbortController();
    for (const [panel, plan] of plans) {
      if (plan === null) {
        continue;
      }
      const channel = plan.channel === null ? null : (subscription?.channel(plan.channel) ?? null);
      const asked = plan.ask === null ? null : new AskedSource();
      feed(panel).follow(channel?.kind === 'keyed' ? channel : null, asked);
      if (asked !== null && plan.ask !== null) {
        void ask(plan.ask, asked, abort.signal);
      }
    }
    return () => abort.abort();
  }, [subscription, channels, plans, feed, query.zone]);
  const badRange = range !== null && span === null;
  return { subscription, span, badRange, plans, viewSql, sources, feed };
}

/** The views' own zone unless one is chosen. */
function zoneOf({ zone }: BoardQuery): { readonly timezone?: string } {
  return zone === null ? {} : { timezone: zone };
}

/** Follows what a board that the page opens on will follow, if that is known without asking. Resolves when it is there. */
export async function followEarly(board: Board, query: BoardQuery): Promise<void> {
  if (query.range === null && !showsNamed(board)) {
    const variables = variablesOf(board, query.variables);
    const plans = planBoard(board, { range: null, span: null, zone: query.zone, variables, viewSql: NO_VIEWS });
    const channels = channelsOf(plans);
    if (channels.length > 0) {
      await subscribeEarly(channels, zoneOf(query));
    }
  }
}

/** Readers of a link are told which parameters a query takes, and nothing of the query. */
function showsNamed(board: Board): boolean {
  return !isShare && board.panels.some(({ view }) => typeof view === 'string');
}

/** A subscription is made after what it is for was rendered: until then the one before is still there. */
function follows(subscription: Subscription, channels: readonly string[], zone: string | null): boolean {
  const { options } = subscription;
  return options.channels.join('\n') === channels.join('\n') && (options.timezone ?? null) === zone;
}

async function ask(wanted: Ask, into: AskedSource, signal: AbortSignal): Promise<void> {
  try {
    if (wanted.kind === 'range') {
      const answer = await client.range(wanted.request, signal);
      if (!signal.aborted) {
        into.answer(answer, null, answer.newest);
      }
    } else {
      const { view, params, at, timezone } = wanted;
      const answer = await api.viewAt(view, params, at, timezone, signal);
      if (!signal.aborted) {
        into.answer(answer, lacking(answer.state), answer.newest);
      }
    }
  } catch (error) {
    if (signal.aborted || !(error instanceof Error)) {
      return;
    }
    const code = error instanceof ApiError || error instanceof RequestError ? error.code : 'unexpected';
    const refusal = { code, message: error.message };
    into.refuse(refusal);
    if (isAway(refusal)) {
      askAgain(() => ask(wanted, into, signal), signal);
    }
  }
}

/** What an answer to one question lacks, if anything: how it would be kept current does not matter. */
function lacking(state: ViewState): ViewState | null {
  return state.status === 'error' || state.status === 'partial' || state.status === 'truncated' ? state : null;
}

/** Once the server is there again. */
function askAgain(again: () => Promise<void>, signal: AbortSignal): void {
  const stop = client.onConnection(({ status }) => {
    if (status === 'open') {
      stop();
      void again();
    }
  });
  signal.addEventListener('abort', stop);
}

/** The SQL of named views, where a panel shows one, and how often sources beat. */
function useCatalogue(board: Board) {
  const named = showsNamed(board);
  const [viewSql, setViewSql] = useState<ReadonlyMap<string, string> | null>(null);
  const [sources, setSources] = useState<readonly SourceInfo[]>([]);
  useEffect(() => {
    let over = false;
    if (!isShare) {
      void api.sources().then(
        (found) => over || setSources(found),
        () => {},
      );
    }
    if (named) {
      const take = (sql: ReadonlyMap<string, string>) => over || setViewSql(sql);
      api.views().then(
        (views) => take(new Map(views.map(({ name, sql }) => [name, sql]))),
        () => take(NO_VIEWS),
      );
    }
    return () => {
      over = true;
    };
  }, [named]);
  return { viewSql: viewSql ?? NO_VIEWS, sources, known: !named || viewSql !== null };
}

const NO_VIEWS: ReadonlyMap<string, string> = new Map();
const NO_PLANS: BoardFeeds['plans'] = new Map();

function useSpan({ range }: BoardQuery, zone: string | undefined): Span | null {
  const [beat, setBeat] = useState(0);
  const relative = range !== null && (range.from.startsWith('now') || range.to.startsWith('now'));
  useEffect(() => {
    if (!relative) {
      return;
    }
    const timer = setInterval(() => setBeat((count) => count + 1), RESOLVE_EVERY_MS);
    return () => clearInterval(timer);
  }, [relative]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each beat it is another instant
  return useMemo(
    () => (range === null ? null : resolve(range, client.serverNow_ms(), zone)),
    [range?.from, range?.to, zone, beat],
  );
}
