// @vitest-environment happy-dom
import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  AlertList,
  alertOf,
  BarList,
  FlashingValue,
  Gauge,
  MetricCard,
  PercentageBar,
  PriceTicker,
} from '../src/index.js';

afterEach(cleanup);

describe('zero, unknown and broken never look alike', () => {
  const state = (container: HTMLElement) => container.querySelector('.pb-metric')?.getAttribute('data-state');

  it('in a metric card', () => {
    const { container, rerender } = render(<MetricCard title="Orders" value={0} animated={false} format={String} />);
    expect(state(container)).toBe('known');
    expect(container.querySelector('.pb-number')?.textContent).toBe('0');
    rerender(<MetricCard title="Orders" value={null} />);
    expect(state(container)).toBe('unknown');
    expect(container.querySelector('.pb-number')?.textContent).toBe('–');
    rerender(<MetricCard title="Orders" value={null} error="the source is down" />);
    expect(state(container)).toBe('broken');
    expect(screen.getByRole('status').textContent).toContain('the source is down');
    rerender(<MetricCard title="Orders" value={null} isLoading />);
    expect(state(container)).toBe('loading');
    expect(container.querySelector('.pb-skeleton')).not.toBeNull();
  });

  it('in a gauge', () => {
    const { container, rerender } = render(<Gauge label="CPU" value={0} />);
    expect(screen.getByRole('meter').getAttribute('aria-valuenow')).toBe('0');
    expect(container.querySelector('.pb-gauge-fill')).not.toBeNull();
    rerender(<Gauge label="CPU" value={null} />);
    expect(screen.queryByRole('meter')).toBeNull();
    expect(screen.getByRole('img').getAttribute('aria-label')).toBe('CPU: no data');
    expect(container.querySelector('.pb-gauge-fill')).toBeNull();
    rerender(<Gauge label="CPU" value={null} error="no answer" />);
    expect(screen.getByRole('img').getAttribute('aria-label')).toBe('CPU: error: no answer');
  });

  it('in a list of alerts: since when, and when it ended, is only said where it is known', () => {
    const minute_us = 60_000_000;
    const now_us = Date.now() * 1_000;
    const rows = [
      { id: 'a', message: 'known', since: now_us - 5 * minute_us },
      { id: 'b', message: 'unknown' },
      { id: 'c', message: 'over', status: 'ended' },
    ];
    const { container } = render(<AlertList alerts={rows.map((row) => alertOf(row, row.id))} />);
    const details = [...container.querySelectorAll('.pb-alert-detail')].map(({ textContent }) => textContent);
    expect(details).toEqual(['warning · for\u00a05\u00a0min', 'warning', 'warning · ended']);
  });

  it('in a percentage bar', () => {
    const { container, rerender } = render(<PercentageBar label="Disk" value={0} />);
    const track = () => container.querySelector<HTMLElement>('.pb-percent-track')?.dataset;
    expect(track()).toMatchObject({ known: 'true', broken: 'false' });
    rerender(<PercentageBar label="Disk" value={null} />);
    expect(track()).toMatchObject({ known: 'false', broken: 'false' });
    rerender(<PercentageBar label="Disk" value={null} error="no answer" />);
    expect(track()).toMatchObject({ known: 'false', broken: 'true' });
  });

  it('in a list: empty is an answer, unknown is none', () => {
    const { container, rerender } = render(<BarList items={[]} />);
    expect(container.textContent).toBe('nothing here right now');
    rerender(<BarList items={null} />);
    expect(container.textContent).toBe('no data yet');
    rerender(<BarList items={null} error="no answer" />);
    expect(container.textContent).toContain('no answer');
  });
});

describe('FlashingValue', () => {
  it('flashes when the value it shows really changed, in the direction that it went', () => {
    const animate = vi.fn();
    vi.spyOn(performance, 'now').mockImplementation(() => clock_ms);
    let clock_ms = 0;
    HTMLElement.prototype.animate = animate;
    const show = (value: number | null, formatter?: (value: number) => string) => (
      <FlashingValue value={value} formatter={formatter} />
    );
    const { container, rerender } = render(show(null));
    const element = container.querySelector<HTMLElement>('.pb-flashing');
    rerender(show(10));
    expect(animate, 'the first value is no change').toHaveBeenCalledTimes(0);
    rerender(show(10));
    expect(animate, 'the same value is no change').toHaveBeenCalledTimes(0);
    rerender(show(11));
    expect(animate).toHaveBeenCalledTimes(1);
    expect(element?.dataset.direction).toBe('up');
    clock_ms = 1_000;
    rerender(show(9));
    expect(animate).toHaveBeenCalledTimes(2);
    expect(element?.dataset.direction).toBe('down');
    clock_ms = 2_000;
    const whole = (value: number) => value.toFixed(0);
    rerender(show(9, whole));
    rerender(show(9.2, whole));
    expect(animate, 'a change that the text does not show').toHaveBeenCalledTimes(2);
    rerender(show(8));
    expect(animate).toHaveBeenCalledTimes(3);
    clock_ms = 2_100;
    rerender(show(7));
    expect(animate, 'never more than three times a second').toHaveBeenCalledTimes(3);
  });
});

describe('trends', () => {
  const news = (container: HTMLElement) => container.querySelector<HTMLElement>('.pb-trend')?.dataset;

  it('come from the earlier period, and good news is what is said to be', () => {
    const { container, rerender } = render(
      <MetricCard title="Costs" value={110} previous={100} period="vs yesterday" />,
    );
    expect(news(container)).toMatchObject({ trend: 'up', news: 'good' });
    expect(container.querySelector('.pb-metric-detail')?.textContent).toBe('up 10.0%vs yesterday');
    rerender(<MetricCard title="Costs" value={110} previous={100} isPositive={false} />);
    expect(news(container)).toMatchObject({ trend: 'up', news: 'bad' });
    rerender(<MetricCard title="Costs" value={110} trend="stable" />);
    expect(news(container)).toMatchObject({ trend: 'stable', news: 'none' });
    rerender(<MetricCard title="Costs" value={null} previous={100} />);
    expect(news(container)).toBeUndefined();
  });

  it('of a price have their sign', () => {
    const { container } = render(<PriceTicker symbol="NVDA" price={95} previous={100} />);
    expect(container.querySelector('.pb-ticker-change')?.textContent).toBe('down −5.00%');
    expect(news(container)).toMatchObject({ trend: 'down', news: 'bad' });
  });
});
