// @vitest-environment node
import { renderToString } from 'react-dom/server';
import { SWRConfig } from 'swr';
import { describe, expect, it, vi } from 'vitest';
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
  MetricCard,
  PercentageBar,
  PriceChart,
  PriceTicker,
  PulseboardProvider,
  Sparkline,
  StateTimeline,
  useBoard,
  useConnection,
  useLiveQuery,
  useLiveStore,
  useLiveValue,
  usePolling,
  useRealtimeData,
  useSSE,
  useSubscription,
  useWebSocket,
} from '../src/index.js';
import { useRealtimeData as useRealtimeSWR } from '../src/swr/index.js';

function EveryHook() {
  const told = [
    useConnection().state.status,
    useLiveQuery('orders').status,
    useLiveQuery('SELECT 1').status,
    useLiveValue('orders').value,
    useBoard('infra').isLoading,
    useSubscription('stream:orders', () => {}).status,
    useRealtimeData('view:orders', async () => 1).isLoading,
    useRealtimeSWR('view:orders', async () => 1).data,
    useWebSocket('ws://any.test/').status,
    useSSE('http://any.test/').status,
    usePolling('http://any.test/').isLoading,
    useLiveStore(({ loading }) => loading),
  ];
  return <p>{JSON.stringify(told)}</p>;
}

describe('on a server that renders', () => {
  it('hooks say that nothing is known yet, and open nothing', () => {
    expect(typeof document).toBe('undefined');
    const fetched = vi.spyOn(globalThis, 'fetch');
    const html = renderToString(
      <SWRConfig value={{ provider: () => new Map() }}>
        <PulseboardProvider url="http://127.0.0.1:8080">
          <EveryHook />
        </PulseboardProvider>
      </SWRConfig>,
    );
    const [, text = ''] = /<p>(.*)<\/p>/.exec(html) ?? [];
    expect(JSON.parse(text.replaceAll('&quot;', '"'))).toEqual([
      'idle',
      'loading',
      'loading',
      null,
      true,
      'idle',
      true,
      null,
      'idle',
      'idle',
      true,
      true,
    ]);
    expect(fetched).not.toHaveBeenCalled();
  });

  it('components render what they are given, in the language of the server', () => {
    const html = renderToString(
      <>
        <ConnectionStatus isConnected />
        <MetricCard title="Revenue" value={1_234.5} unit="EUR" previous={1_000} history={[1, 2, 3]} />
        <AnimatedNumber value={5} />
        <FlashingValue value={6} />
        <PriceTicker symbol="NVDA" price={181.99} previous={180} />
        <LiveChart data={[{ time_ms: 0, value: 1 }]} />
        <PriceChart data={[{ time_ms: 0, open: 1, high: 2, low: 0, close: 1 }]} />
        <Sparkline data={[1, 2, 3]} />
        <Gauge value={50} />
        <PercentageBar value={-3} />
        <ChartLegend entries={[{ name: 'a', last: 1 }]} />
        <BarList items={[{ label: 'a', value: 1 }]} />
        <Heatmap data={{ times: [0], rows: [{ name: 'a', values: [1] }] }} />
        <StateTimeline rows={[{ name: 'a', spans: [] }]} />
        <DataTable rows={[{ a: 1 }]} />
        <AlertList alerts={[{ id: '1', severity: 'info', message: 'hello', since_ms: 0 }]} />
      </>,
    );
    for (const text of ['€1,234.50', '181.99', '50.0', '−3.0 %', 'hello', 'Live']) {
      expect(html).toContain(text);
    }
  });
});
