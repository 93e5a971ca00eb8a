/** An answer drawn as a panel of a board would draw it. */

import type { KeyedChannel } from '@pulseboard/client';
import { useEffect, useMemo, useState } from 'react';
import { LivePanel, PanelFeed, type PanelSpan, parseSpan } from '../board';
import type { Panel } from '../shared/api';
import { boardClock } from '../shared/boardClock';
import { rangeOf, type Suggestion } from './suggest';

interface AnswerChartProps {
  readonly channel: KeyedChannel;
  readonly chart: Suggestion;
  readonly sql: string;
}

const RANGE_MS = 300_000;
const NOTHING_RELATED = () => null;

export function AnswerChart({ channel, chart, sql }: AnswerChartProps) {
  const [feed] = useState(() => new PanelFeed());
  useEffect(() => feed.follow(channel, null), [feed, channel]);
  const text = JSON.stringify(chart);
  const panel = useMemo<Panel>(() => {
    const { type, options } = JSON.parse(text) as Suggestion;
    return { id: 'answer', type, title: 'Answer', channel: channel.name, x: 0, y: 0, w: 12, h: 6, options };
  }, [text, channel]);
  const span = useMemo<PanelSpan>(
    () => ({ clock: boardClock, range_ms: parseSpan(rangeOf(sql)) ?? RANGE_MS, from_ms: null }),
    [sql],
  );
  return (
    <div className="answer-chart">
      <LivePanel
        panel={panel}
        feed={feed}
        zone={undefined}
        span={span}
        legends="short"
        related={NOTHING_RELATED}
        refused={null}
        ages={false}
        staleAfter_ms={null}
        hint={undefined}
        menu={null}
      />
    </div>
  );
}
