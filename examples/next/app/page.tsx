import { formatCompact, resilientFetch } from '@pulseboard/react';
import { Shop } from './shop';

const SERVER = process.env.PULSEBOARD_URL ?? 'http://127.0.0.1:8080';

interface Answer {
  readonly rows: readonly (readonly unknown[])[] | null;
}

/** Rendered on the server: what was known when the page was asked for is in its HTML, and live in the browser after. */
export default async function Page() {
  const { data } = await resilientFetch<Answer>(`${SERVER}/api/v1/query`, {
    init: {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sql: 'SELECT count(*) AS n FROM example_orders' }),
      cache: 'no-store',
    },
    fallback: { rows: null },
  });
  const [known] = data.rows?.[0] ?? [];
  const orders = typeof known === 'number' ? known : null;
  return (
    <>
      <p style={{ padding: '16px 16px 0', color: 'var(--pb-text-2)', fontFamily: 'var(--pb-font)' }}>
        Orders when this page was asked for: <b id="rendered">{formatCompact(orders)}</b>
      </p>
      <Shop />
    </>
  );
}
