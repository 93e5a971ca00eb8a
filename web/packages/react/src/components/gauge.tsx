'use client';
/** A value between two ends, as an arc. Zero is a dot at the start, unknown a dashed track, broken a warning. */

import type { CSSProperties } from 'react';
import { formatUnit, UNKNOWN } from '../format/format.js';
import { LEVEL_WORD, type Level, levelOf, type Thresholds } from '../format/level.js';
import { useLocale } from '../shared/context.js';
import { classes, type LiveProps, NoticeMark, useNotice } from '../shared/honest.js';
import { meterProps } from '../shared/meter.js';
import { colourOf } from './sparkline.js';

export interface GaugeProps extends LiveProps {
  readonly value: number | null | undefined;
  /** The ends of the arc. Default 0 and 100; a value beyond them fills the arc and is still written as it is. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly label?: string | undefined;
  /** As in `formatUnit`. Default `percent` for a gauge from 0 to 100. */
  readonly unit?: string | undefined;
  readonly decimals?: number | undefined;
  readonly format?: ((value: number) => string) | undefined;
  readonly thresholds?: Thresholds | null | undefined;
  /** Which colour of the series while no threshold speaks, from 1; or any CSS colour. Default 1. */
  readonly color?: number | string | undefined;
  readonly className?: string | undefined;
  readonly style?: CSSProperties | undefined;
}

const CENTRE = { x: 100, y: 96 };
const RADIUS = 80;
const LIMIT_RADIUS = 93;
/** The arc leaves a gap at the bottom; angles in degrees, clockwise from the top. */
const FROM_DEG = -120;
const SPAN_DEG = 240;

function at(part: number, radius: number): string {
  const angle = ((FROM_DEG + part * SPAN_DEG) * Math.PI) / 180;
  // Servers and browsers may differ in the last digit of a sine; the picture does not.
  return `${(CENTRE.x + radius * Math.sin(angle)).toFixed(2)} ${(CENTRE.y - radius * Math.cos(angle)).toFixed(2)}`;
}

function arc(from: number, to: number, radius: number): string {
  const large = (to - from) * SPAN_DEG > 180 ? 1 : 0;
  return `M${at(from, radius)}A${radius} ${radius} 0 ${large} 1 ${at(to, radius)}`;
}

const LEVEL_COLOUR: Record<Level, string> = {
  ok: 'var(--pb-ok)',
  warning: 'var(--pb-warning)',
  critical: 'var(--pb-critical)',
};

export function Gauge(props: GaugeProps) {
  const {
    value = null,
    min = 0,
    max = 100,
    label,
    unit,
    decimals,
    format,
    thresholds,
    color = 1,
    className,
    style,
  } = props;
  const locale = useLocale();
  const isKnown = value !== null && Number.isFinite(value);
  const notice = useNotice(props, isKnown);
  const level = levelOf(value, thresholds);
  const form = unit ?? (min === 0 && max === 100 ? 'percent' : '');
  const written =
    format && isKnown ? { text: format(value), unit: '' } : formatUnit(value, form, decimals, undefined, locale);
  const part = (of: number) => Math.min(1, Math.max(0, (of - min) / (max - min || 1)));
  const filled = isKnown ? part(value) : 0;
  const stroke =
    level === null || level === 'ok' ? (level === null ? colourOf(color) : LEVEL_COLOUR.ok) : LEVEL_COLOUR[level];
  const broken = !isKnown && notice?.tone === 'critical';
  const text = isKnown ? `${written.text} ${written.unit}`.trim() : broken ? `error: ${notice.detail}` : 'no data';
  const name = label ?? 'gauge';
  return (
    <div className={classes('pb-gauge', className)} style={style} data-dim={notice?.dims === true}>
      {/* biome-ignore lint/a11y/noSvgWithoutTitle: it is named by its label; a title would be a tooltip. */}
      <svg viewBox="0 0 200 150" {...meterProps({ value: isKnown ? value : null, min, max, label: name, text })}>
        <path className="pb-gauge-track" d={arc(0, 1, RADIUS)} strokeDasharray={isKnown ? undefined : '3 7'} />
        {limits(thresholds, min, max).map(({ from, to, tone }) => (
          <path
            key={tone}
            d={arc(part(from), part(to), LIMIT_RADIUS)}
            fill="none"
            stroke={LEVEL_COLOUR[tone]}
            strokeWidth={2.5}
          />
        ))}
        {isKnown ? (
          <path className="pb-gauge-fill" d={arc(0, Math.max(filled, 0.0005), RADIUS)} stroke={stroke} />
        ) : null}
        {broken ? (
          <text className="pb-gauge-broken" x={CENTRE.x} y={CENTRE.y + 10}>
            !
          </text>
        ) : (
          <text className={isKnown ? 'pb-gauge-value' : 'pb-gauge-value pb-unknown'} x={CENTRE.x} y={CENTRE.y + 10}>
            {isKnown ? written.text : UNKNOWN}
            {written.unit === '' ? null : (
              <tspan className="pb-gauge-unit" dx={3}>
                {written.unit}
              </tspan>
            )}
          </text>
        )}
        <text className="pb-gauge-end" x={34} y={148}>
          {endText(min, form, locale)}
        </text>
        <text className="pb-gauge-end" x={166} y={148}>
          {endText(max, form, locale)}
        </text>
      </svg>
      {label === undefined && notice === null && (level === null || level === 'ok') ? null : (
        <div className="pb-gauge-label">
          {label}
          {level === 'warning' || level === 'critical' ? (
            <span className="pb-level" data-level={level}>
              {LEVEL_WORD[level]}
            </span>
          ) : null}
          <NoticeMark notice={notice} />
        </div>
      )}
    </div>
  );
}

/** What an end says: with its unit where that is not clear from the value itself. */
function endText(value: number, unit: string, locale: string): string {
  const { text, unit: name } = formatUnit(value, unit, 0, undefined, locale);
  return unit === 'percent' || name === unit ? text : `${text} ${name}`;
}

interface Limit {
  readonly from: number;
  readonly to: number;
  readonly tone: 'warning' | 'critical';
}

/** Where along the arc a value is worth a warning. */
function limits(thresholds: Thresholds | null | undefined, min: number, max: number): Limit[] {
  const { warning, critical } = thresholds ?? {};
  const falling = warning !== undefined && critical !== undefined && critical < warning;
  const found: Limit[] = [];
  if (warning !== undefined) {
    found.push(
      falling
        ? { from: critical, to: warning, tone: 'warning' }
        : { from: warning, to: critical ?? max, tone: 'warning' },
    );
  }
  if (critical !== undefined) {
    found.push(falling ? { from: min, to: critical, tone: 'critical' } : { from: critical, to: max, tone: 'critical' });
  }
  return found.filter(({ from, to }) => to > from && from < max && to > min);
}
