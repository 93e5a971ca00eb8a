/** The signatures that users rely on. What is expected here is checked by the compiler (`npm run check`). */

import type { ConnectionState, KeyedChannel } from '@pulseboard/client';
import type { ComponentProps, ReactNode } from 'react';
import { expectTypeOf, test } from 'vitest';
import {
  type AlertItem,
  type AnimatedNumber,
  type BarList,
  type Candle,
  type ConnectionStatus,
  type DataTable,
  type FlashingValue,
  formatCompact,
  formatCurrency,
  formatPercent,
  type Gauge,
  type LiveChart,
  type LiveChartHandle,
  type LiveEvent,
  type LiveState,
  type MetricCard,
  type PercentageBar,
  type PriceChart,
  type PriceTicker,
  type ResilientResult,
  resilientFetch,
  type Severity,
  type useAlerts,
  type useBoard,
  type useConnection,
  useLiveQuery,
  useLiveStore,
  type useLiveValue,
  usePolling,
  useRealtimeData,
  useSSE,
  type useSubscription,
  useWebSocket,
} from '../src/index.js';

type Order = { readonly id: string; readonly total: string };

test('hooks', () => {
  expectTypeOf(useLiveQuery<Order>)
    .parameter(0)
    .extract<string>()
    .toEqualTypeOf<string>();
  expectTypeOf(useLiveQuery<Order>)
    .parameter(1)
    .toExtend<{ max_hz?: number | undefined } | undefined>();
  expectTypeOf(useLiveQuery<Order>)
    .returns.toHaveProperty('rows')
    .toEqualTypeOf<readonly Order[] | null>();
  expectTypeOf(useLiveQuery<Order>)
    .returns.toHaveProperty('channel')
    .toEqualTypeOf<KeyedChannel | null>();
  expectTypeOf<ReturnType<typeof useLiveValue>['value']>().toEqualTypeOf<number | null>();
  expectTypeOf(useRealtimeData<Order[]>)
    .parameter(0)
    .toEqualTypeOf<string | null>();
  expectTypeOf(useRealtimeData<Order[]>)
    .parameter(1)
    .returns.resolves.toEqualTypeOf<Order[]>();
  expectTypeOf(useRealtimeData<Order[]>)
    .returns.toHaveProperty('data')
    .toEqualTypeOf<Order[] | null>();
  expectTypeOf(useWebSocket<Order>)
    .returns.toHaveProperty('lastMessage')
    .toEqualTypeOf<Order | null>();
  expectTypeOf(useWebSocket<Order>)
    .returns.toHaveProperty('send')
    .parameter(0)
    .toBeUnknown();
  expectTypeOf(useSSE<Order>)
    .returns.toHaveProperty('data')
    .toEqualTypeOf<Order | null>();
  expectTypeOf(usePolling<Order>)
    .returns.toHaveProperty('data')
    .toEqualTypeOf<Order | null>();
  type Subscribe = Parameters<typeof useSubscription>;
  expectTypeOf<Subscribe[0]>().toEqualTypeOf<string | readonly string[] | null>();
  expectTypeOf<Parameters<Subscribe[1]>[0]>().toEqualTypeOf<LiveEvent>();
  expectTypeOf<ReturnType<typeof useConnection>['state']>().toEqualTypeOf<ConnectionState>();
  expectTypeOf<ReturnType<typeof useConnection>['isConnected']>().toBeBoolean();
  expectTypeOf<ReturnType<typeof useAlerts>['alerts']>().toEqualTypeOf<readonly AlertItem[] | null>();
  expectTypeOf<Parameters<typeof useBoard>[0]>().toBeString();
});

test('the store: metrics, history, connected, loading, reset, and public setters', () => {
  expectTypeOf(useLiveStore<boolean>)
    .parameter(0)
    .parameter(0)
    .toEqualTypeOf<LiveState>();
  expectTypeOf(useLiveStore<boolean>).returns.toBeBoolean();
  expectTypeOf<LiveState['connected']>().toBeBoolean();
  expectTypeOf<LiveState['loading']>().toBeBoolean();
  expectTypeOf<LiveState['reset']>().toEqualTypeOf<() => void>();
  expectTypeOf<LiveState['setMetric']>().parameter(0).toBeString();
  expectTypeOf<LiveState['setMetric']>().parameter(1).toEqualTypeOf<number | null>();
  expectTypeOf<LiveState['setConnected']>().parameters.toEqualTypeOf<[boolean]>();
  expectTypeOf<LiveState['setLoading']>().parameters.toEqualTypeOf<[boolean]>();
});

test('components take plain props', () => {
  type Trend = 'up' | 'down' | 'stable' | undefined;
  expectTypeOf<ComponentProps<typeof ConnectionStatus>['isConnected']>().toEqualTypeOf<boolean | undefined>();
  expectTypeOf<ComponentProps<typeof MetricCard>['trend']>().toEqualTypeOf<Trend>();
  expectTypeOf<ComponentProps<typeof MetricCard>['icon']>().toEqualTypeOf<ReactNode>();
  expectTypeOf<ComponentProps<typeof MetricCard>['maxDataPoints']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<ComponentProps<typeof MetricCard>['isPositive']>().toEqualTypeOf<boolean | undefined>();
  type Animated = ComponentProps<typeof AnimatedNumber>;
  expectTypeOf<Pick<Animated, 'prefix' | 'suffix' | 'locale'>>().toExtend<{ prefix?: string | undefined }>();
  expectTypeOf<Animated['decimals']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<Parameters<typeof FlashingValue<number>>[0]['formatter']>().toEqualTypeOf<
    ((value: number) => string) | undefined
  >();
  expectTypeOf<ComponentProps<typeof PriceTicker>['isPositive']>().toEqualTypeOf<boolean | undefined>();
  expectTypeOf<ComponentProps<typeof LiveChart>['type']>().toEqualTypeOf<
    'line' | 'area' | 'stacked' | 'bars' | undefined
  >();
  expectTypeOf<ComponentProps<typeof LiveChart>['maxDataPoints']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<LiveChartHandle['append']>().parameter(0).extract<number>().toBeNumber();
  expectTypeOf<ComponentProps<typeof PriceChart>['type']>().toEqualTypeOf<'candles' | 'line' | undefined>();
  expectTypeOf<ComponentProps<typeof PriceChart>['data']>().toEqualTypeOf<readonly Candle[] | null | undefined>();
  expectTypeOf<ComponentProps<typeof Gauge>['value']>().toEqualTypeOf<number | null | undefined>();
  expectTypeOf<ComponentProps<typeof PercentageBar>['min']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<ComponentProps<typeof BarList>['limit']>().toEqualTypeOf<number | undefined>();
  expectTypeOf<Parameters<typeof DataTable<Order>>[0]['rows']>().toEqualTypeOf<readonly Order[] | null | undefined>();
  expectTypeOf<Severity>().toEqualTypeOf<'info' | 'warning' | 'critical'>();
});

test('functions', () => {
  expectTypeOf(resilientFetch<Order>).returns.resolves.toEqualTypeOf<ResilientResult<Order>>();
  expectTypeOf<ResilientResult<Order>['source']>().toEqualTypeOf<'network' | 'cache' | 'fallback'>();
  expectTypeOf(formatCurrency).returns.toBeString();
  expectTypeOf(formatPercent).parameter(0).toEqualTypeOf<number | null | undefined>();
  expectTypeOf(formatCompact).returns.toBeString();
});
