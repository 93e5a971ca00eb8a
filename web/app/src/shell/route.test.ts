import { describe, expect, it } from 'vitest';
import { parseRoute, type Route, routeHref } from './route';

describe('routes', () => {
  const routes: Route[] = [
    { page: 'board', board: 'infra' },
    { page: 'board', board: 'shop floor' },
    { page: 'streams' },
    { page: 'stream', stream: 'orders.v2' },
    { page: 'explore', sql: null },
    { page: 'explore', sql: "SELECT 'a&b?#' AS x\nFROM t WHERE y = 50 % 3" },
  ];
  it.each(routes)('%o survives the URL', (route) => {
    expect(parseRoute(routeHref(route))).toEqual(route);
  });

  it('goes to the board from anywhere unknown', () => {
    for (const hash of ['', '#', '#/', '#/nope', '#/boards/', '#/boards/%']) {
      expect(parseRoute(hash).page).toBe('board');
    }
  });
});
