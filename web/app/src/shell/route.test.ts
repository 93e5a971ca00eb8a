import { describe, expect, it } from 'vitest';
import { NO_QUERY } from './boardQuery';
import { parseRoute, type Route, routeHref } from './route';

describe('routes', () => {
  const routes: Route[] = [
    { page: 'home' },
    { page: 'board', board: 'infra', query: NO_QUERY },
    { page: 'board', board: 'shop floor', query: NO_QUERY },
    {
      page: 'board',
      board: 'trading',
      query: {
        range: { from: 'now-6h', to: 'now' },
        zone: 'America/New_York',
        variables: { symbol: 'BRK/B & co', 'min-size': '0' },
        panel: 'prices',
        kiosk: true,
        theme: 'light',
      },
    },
    { page: 'edit', board: 'shop floor' },
    { page: 'edit', board: 'shop', panel: 'orders & more' },
    { page: 'edit', board: null },
    { page: 'share', secret: 'pb_share1f_x-Y_z', query: { ...NO_QUERY, kiosk: true } },
    { page: 'streams' },
    { page: 'stream', stream: 'orders.v2' },
    { page: 'explore', sql: null },
    { page: 'explore', sql: "SELECT 'a&b?#' AS x\nFROM t WHERE y = 50 % 3" },
    { page: 'design' },
  ];
  it.each(routes)('%o survives the URL', (route) => {
    expect(parseRoute(routeHref(route))).toEqual(route);
  });

  it('goes home from anywhere unknown', () => {
    for (const hash of ['', '#', '#/', '#/nope', '#/boards/']) {
      expect(parseRoute(hash).page).toBe('home');
    }
  });

  it('says nothing of what is the default', () => {
    expect(routeHref({ page: 'board', board: 'infra' })).toBe('#/boards/infra');
    expect(parseRoute('#/boards/infra?from=now-1h')).toMatchObject({ query: { range: { from: 'now-1h', to: 'now' } } });
  });
});
