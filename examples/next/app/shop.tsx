'use client';

import { BarList, ConnectionStatus, DataTable, MetricCard, useLiveQuery, useLiveValue } from '@pulseboard/react';

const ITEMS = 'SELECT item, count(*) AS n, sum(total) AS total FROM example_orders GROUP BY item';
const COLUMNS = [{ key: 'item' }, { key: 'n', title: 'orders', isNumeric: true }, { key: 'total', isNumeric: true, unit: 'EUR' }];

export function Shop() {
  const orders = useLiveValue('SELECT count(*) AS n FROM example_orders');
  const items = useLiveQuery<{ item: string; n: number }>(ITEMS);
  const bars = items.rows?.map(({ item, n }) => ({ label: item, value: n }));
  return (
    <main style={{ display: 'grid', gap: 12, padding: 16, gridTemplateColumns: 'repeat(auto-fit, minmax(260px, 1fr))' }}>
      <MetricCard title="Orders" value={orders.value} {...orders.live} />
      <div className="pb-card">
        <BarList title="Products" items={bars} {...items.live} />
      </div>
      <div className="pb-card">
        <DataTable title="By product" channel={items.channel} columns={COLUMNS} height={200} {...items.live} />
      </div>
      <ConnectionStatus />
    </main>
  );
}
