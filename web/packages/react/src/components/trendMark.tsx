'use client';
/** A direction: arrow, words for those who do not see it, and a colour that says whether it is good news. */

import type { Trend } from '../format/trend.js';
import { DownIcon, StableIcon, UpIcon } from '../shared/icons.js';

export interface TrendMarkProps {
  readonly trend: Trend;
  /** Whether it is good news. Default what goes up; a stable value is neither. */
  readonly isPositive?: boolean | undefined;
  readonly text?: string | null | undefined;
}

const ICONS = { up: UpIcon, down: DownIcon, stable: StableIcon };
const WORDS: Record<Trend, string> = { up: 'up ', down: 'down ', stable: 'stable ' };

export function TrendMark({ trend, isPositive, text }: TrendMarkProps) {
  const Icon = ICONS[trend];
  const good = isPositive ?? trend === 'up';
  return (
    <span className="pb-trend" data-trend={trend} data-news={trend === 'stable' ? 'none' : good ? 'good' : 'bad'}>
      <Icon size={11} />
      <span className="pb-sr">{WORDS[trend]}</span>
      {text}
    </span>
  );
}
