/** Alerts in the app. Fetched once the page has time for it. */

import { later } from '../shared/later';

const idle = () =>
  new Promise<void>((resolve) =>
    'requestIdleCallback' in window
      ? requestIdleCallback(() => resolve(), { timeout: 2_000 })
      : setTimeout(resolve, 500),
  );

export const Bell = later(async () => {
  await idle();
  return (await import('./bell')).Bell;
});
