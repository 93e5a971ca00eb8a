/** Every component in every state, to look at: `npm run gallery -w @pulseboard/react`. `?theme=light` for the other theme. */

import { Profiler, type ReactNode, StrictMode, useEffect, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import '../../styles/index.css';
import './gallery.css';
import {
  AlertList,
  AnimatedNumber,
  BarList,
  ChartLegend,
  ConnectionStatus,
  DataTable,
  FlashingValue,
  Gauge,
  Heatmap,
  LiveChart,
  type LiveChartHandle,
  MetricCard,
  PercentageBar,
  PriceChart,
  PriceTicker,
  Sparkline,
  StateTimeline,
} from '../../src/index.js';
import { alerts, candles, heat, NOON_MS, seeded, walk } from './data.js';

const theme = new URLSearchParams(location.search).get('theme');
document.documentElement.dataset.theme = theme ?? 'dark';

const clock = { now_ms: () => NOON_MS };
const old = { asOf_ms: Date.now() - 14_000, staleAfter_ms: 5_000 };
const offline = { isConnected: false, asOf_ms: Date.now() - 14_000 };
const broken = { error: 'the broker answers 503; trying again in 8 s' };
const LONG = 'A name that is far longer than the place it has to stand in';

function Group({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <section className="group">
      <h2>{name}</h2>
      <div className="row">{children}</div>
    </section>
  );
}

const Box = ({ children, wide }: { readonly children: ReactNode; readonly wide?: boolean }) => (
  <div className="box pb-card" data-wide={wide === true}>
    {children}
  </div>
);

const products = [
  { label: 'Trail Runner 2 · 42', value: 2, detail: 'sells out in 40 s' },
  { label: 'Summit Shell · M', value: 6, detail: '2 min' },
  { label: 'Flask 0.7 l', value: 9 },
  { label: 'Headlamp 400', value: 31 },
  { label: LONG, value: 58 },
  { label: 'Nothing known', value: null },
];

const rows = [
  {
    name: 'Exchange feed',
    spans: [{ from_ms: NOON_MS - 600_000, to_ms: null, state: 'live' }],
  },
  {
    name: 'Cost API',
    spans: [
      { from_ms: NOON_MS - 600_000, to_ms: NOON_MS - 320_000, state: 'live' },
      { from_ms: NOON_MS - 320_000, to_ms: NOON_MS - 200_000, state: 'down' },
      { from_ms: NOON_MS - 200_000, to_ms: NOON_MS - 140_000, state: 'half-open' },
      { from_ms: NOON_MS - 140_000, to_ms: NOON_MS - 100_000, state: null },
      { from_ms: NOON_MS - 100_000, to_ms: null, state: 'live' },
    ],
  },
  {
    name: 'Deploy',
    spans: [
      { from_ms: NOON_MS - 600_000, to_ms: NOON_MS - 260_000, state: 'v41' },
      { from_ms: NOON_MS - 260_000, to_ms: null, state: 'v42' },
    ],
  },
];

const minutes = Array.from({ length: 90 }, (_, index) => NOON_MS - (90 - index) * 60_000);
const visits = {
  times: minutes,
  series: [
    { name: 'today', values: walk(21, 90, 60, 9) },
    { name: 'yesterday', values: walk(22, 90, 50, 9).map((value, index) => (index > 40 && index < 52 ? null : value)) },
  ],
};
const parts = {
  times: minutes.slice(-20),
  series: ['web', 'app', 'shop'].map((name, index) => ({ name, values: walk(31 + index, 20, 20 + index * 6, 8) })),
};

declare global {
  interface Window {
    /** What the tests look at: how many points came, and how often React rendered for them. */
    appended: { points: number; renders: number };
  }
}
window.appended = { points: 0, renders: 0 };

/** Points come many times a second; React hears of the first only. */
function Appended() {
  const chart = useRef<LiveChartHandle>(null);
  useEffect(() => {
    const random = seeded(5);
    let value = 50;
    const timer = setInterval(() => {
      value += (random() - 0.5) * 6;
      chart.current?.append({ cpu: value, limit: 80 });
      window.appended.points += 1;
    }, 50);
    return () => clearInterval(timer);
  }, []);
  return (
    <Profiler
      id="appended"
      onRender={() => {
        window.appended.renders += 1;
      }}
    >
      <LiveChart
        ref={chart}
        className="appended"
        title="Appended 20 times a second"
        legend={false}
        range_ms={10_000}
        unit="percent"
        comparison="limit"
        min={0}
        max={100}
      />
    </Profiler>
  );
}

function Orders() {
  const [rows, setRows] = useState(() =>
    Array.from({ length: 10_000 }, (_, index) => ({
      id: `#${48_201 - index}`,
      item: `Trail Runner ${index % 7}`,
      pieces: index % 5,
      total: index % 9 === 0 ? null : 20 + ((index * 37) % 200),
    })),
  );
  useEffect(() => {
    const random = seeded(6);
    const timer = setInterval(
      () =>
        setRows((held) =>
          held.map((row, index) =>
            index < 40 && random() < 0.05 ? { ...row, total: Math.round(random() * 200) } : row,
          ),
        ),
      500,
    );
    return () => clearInterval(timer);
  }, []);
  return <DataTable title="Orders" rows={rows} rowKey="id" height={300} columns={ORDER_COLUMNS} />;
}

const ORDER_COLUMNS = [
  { key: 'id', width: 80, flash: false },
  { key: 'item', width: 'minmax(120px, 2fr)' },
  { key: 'pieces', isNumeric: true },
  { key: 'total', isNumeric: true, unit: 'EUR' },
] as const;

function Gallery() {
  return (
    <main>
      <Group name="MetricCard">
        <MetricCard
          title="Orders today"
          value={1_284}
          previous={929}
          period="vs yesterday 21:04"
          history={walk(1, 20, 50, 8)}
        />
        <MetricCard
          title="Revenue today"
          value={96_410}
          unit="EUR"
          decimals={0}
          previous={68_000}
          period="vs yesterday"
          history={walk(2, 20, 50, 8)}
          color={2}
        />
        <MetricCard
          title="Conversion"
          value={3.42}
          unit="percent"
          decimals={2}
          previous={3.63}
          period="vs yesterday 21:04"
          history={walk(4, 20, 50, 8)}
          color={4}
        />
        <MetricCard
          title="Costs"
          value={40_253}
          unit="EUR"
          previous={39_463}
          isPositive={false}
          period="since open"
          color={4}
          {...old}
          history={walk(5, 20, 50, 8)}
        />
        <MetricCard title="Zero" value={0} previous={0} period="stable" />
        <MetricCard title="Unknown" value={null} />
        <MetricCard title="Broken" value={null} {...broken} />
        <MetricCard title="Broken, last known" value={12.5} {...broken} asOf_ms={old.asOf_ms} />
        <MetricCard title="Loading" value={null} isLoading />
        <MetricCard title="Disconnected" value={812} {...offline} history={walk(6, 20, 50, 8)} />
        <MetricCard title="Error rate" value={7.3} unit="percent" thresholds={{ warning: 2, critical: 5 }} />
        <MetricCard title={LONG} value={-123_456_789.12} unit="requests" />
      </Group>
      <Group name="Gauge">
        {[
          { label: 'CPU', value: 63.2, thresholds: { warning: 70, critical: 90 } },
          { label: 'Memory', value: 93.8, thresholds: { warning: 70, critical: 90 } },
          { label: 'Stock', value: 6, max: 60, unit: '', thresholds: { warning: 10, critical: 3 } },
          { label: 'Zero', value: 0 },
          { label: 'Unknown', value: null },
          { label: 'Broken', value: null, ...broken },
          { label: 'Old', value: 41, ...old },
          { label: 'Throughput', value: 8.4e8, max: 1e9, unit: 'bits/s' },
        ].map((each) => (
          <Box key={each.label}>
            <Gauge {...each} style={{ height: 150 }} />
          </Box>
        ))}
      </Group>
      <Group name="PercentageBar">
        <Box>
          <PercentageBar label="Disk /" value={75.4} thresholds={{ warning: 80, critical: 95 }} />
          <PercentageBar label="Gain" value={31} min={-100} />
          <PercentageBar label="Loss" value={-42.5} />
          <PercentageBar label="Zero" value={0} min={-100} />
          <PercentageBar label="Unknown" value={null} />
          <PercentageBar label="Broken" value={null} {...broken} />
          <PercentageBar label="Old" value={64} {...offline} />
        </Box>
        <Box>
          <ChartLegend
            entries={[
              { name: 'today', last: 92, min: 40, max: 94, avg: 61.2 },
              { name: 'yesterday', color: 'var(--pb-text-3)', isDashed: true, last: 37, min: 20, max: 58, avg: 41 },
              { name: 'unknown', last: null },
            ]}
            figures={['last', 'min', 'max', 'avg']}
            layout="table"
            hidden={new Set(['unknown'])}
            onToggle={() => {}}
          />
          <ChartLegend
            entries={[
              { name: 'today', last: 92 },
              { name: 'yesterday', last: 37 },
            ]}
          />
          <p>
            <AnimatedNumber value={1_234.5} prefix="€ " suffix=" net" decimals={2} /> <FlashingValue value={12.5} />{' '}
            <Sparkline data={walk(9, 20, 5, 1)} style={{ width: 120 }} />
          </p>
        </Box>
      </Group>
      <Group name="BarList">
        <Box>
          <BarList title="Stock" items={products} limit={5} sort="none" thresholds={{ warning: 10, critical: 3 }} />
        </Box>
        <Box>
          <BarList title="Top products" items={products} {...old} onSelect={() => {}} />
        </Box>
        <Box>
          <BarList title="Empty" items={[]} />
          <BarList title="Unknown" items={null} />
          <BarList title="Broken" items={null} {...broken} />
          <BarList title="Loading" items={null} isLoading />
        </Box>
        <Box>
          <AlertList title="Alerts" alerts={alerts} onDismiss={() => {}} />
          <AlertList title="No alerts" alerts={[]} />
        </Box>
      </Group>
      <Group name="PriceTicker">
        <Box>
          <PriceTicker symbol="AAPL" name="Apple" price={227.41} previous={225.5} history={walk(11, 20, 220, 2)} />
          <PriceTicker
            symbol="NVDA"
            name="Nvidia"
            price={181.99}
            previous={177.9}
            currency="USD"
            history={walk(12, 20, 180, 2)}
          />
          <PriceTicker
            symbol="MSFT"
            name="Microsoft"
            price={512.07}
            previous={514.2}
            history={walk(14, 20, 512, 2).reverse()}
          />
          <PriceTicker symbol="ZERO" price={0} previous={0} />
          <PriceTicker symbol="NONE" name="nothing known" price={null} />
          <PriceTicker symbol="OLD" name="disconnected" price={12} previous={11} {...offline} />
        </Box>
      </Group>
      <Group name="PriceChart">
        <Box wide>
          <PriceChart symbol="NVDA" data={candles(60)} zone="UTC" />
        </Box>
        <Box wide>
          <PriceChart symbol="NVDA" type="line" data={candles(60)} zone="UTC" />
        </Box>
      </Group>
      <Group name="LiveChart">
        <Box wide>
          <LiveChart
            title="Orders per minute"
            data={visits}
            maxDataPoints={90}
            type="area"
            comparison="yesterday"
            zone="UTC"
          />
        </Box>
        <Box wide>
          <Appended />
        </Box>
        <Box wide>
          <LiveChart title="Stacked" data={parts} type="stacked" zone="UTC" legend={['last', 'max']} />
        </Box>
        <Box wide>
          <LiveChart title="Bars" data={parts} type="bars" zone="UTC" />
        </Box>
        <Box>
          <LiveChart title="Unknown" data={null} height={120} />
          <LiveChart title="Broken" data={null} height={120} {...broken} />
        </Box>
        <Box>
          <LiveChart title="Loading" data={null} height={120} isLoading />
          <LiveChart title="Disconnected" data={visits} height={120} {...offline} zone="UTC" />
        </Box>
      </Group>
      <Group name="DataTable and ConnectionStatus">
        <Box wide>
          <Orders />
        </Box>
        <Box>
          <DataTable title="Empty" rows={[]} height={60} />
          <DataTable title="Unknown" rows={null} height={60} />
          <DataTable title="Broken" rows={null} height={60} {...broken} />
        </Box>
        <Box>
          <ConnectionStatus isConnected latency_ms={9} />
          <ConnectionStatus isConnected={false} lastKnown_ms={NOON_MS} onRetry={() => {}} />
          <ConnectionStatus
            connection={{ status: 'closed', reason: 'unauthorized', detail: 'the token has expired' }}
          />
          <ConnectionStatus />
        </Box>
      </Group>
      <Group name="Heatmap and StateTimeline">
        <Box wide>
          <Heatmap title="CPU per core" data={heat} unit="percent" min={0} max={100} zone="UTC" />
        </Box>
        <Box wide>
          <StateTimeline title="Sources" rows={rows} range_ms={600_000} clock={clock} zone="UTC" />
          <StateTimeline title="Unknown" rows={null} />
        </Box>
      </Group>
    </main>
  );
}

const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <Gallery />
    </StrictMode>,
  );
}
