/** Alerts in the page: the bell on every page, a plain EventSource, what fired while nobody was connected. */

import assert from 'node:assert/strict';
import { openPage } from './page.mjs';
import { within } from './wait.mjs';

const SOON_MS = 20_000;

async function tell(server, alerts) {
  const headers = { 'content-type': 'application/json' };
  const request = { method: 'POST', headers, body: JSON.stringify(alerts) };
  const response = await fetch(`${server.url}/api/v1/alerts/events`, request);
  assert.equal(response.status, 200, await response.text());
}

const bell = (page, says) => page.getByRole('button', { name: `Alerts: ${says}` });

export const alertTests = {
  async 'the bell counts what fires, on every page, and what fired while the page was away'({ browser, server }) {
    const { page, problems, close } = await openPage(browser, server, '#/boards/infra');
    await bell(page, 'none firing').click({ timeout: SOON_MS });
    await page.getByText('Nothing has fired.').waitFor({ timeout: SOON_MS });
    await tell(server, [
      { id: 'stock', severity: 'critical', rule: 'oversell_guard', message: 'Flask is about to oversell', value: 2 },
      { id: 'revenue', message: 'Revenue fell to half' },
    ]);
    const list = page.getByRole('dialog', { name: 'Alerts: 2 firing' });
    await list.getByText('Flask is about to oversell').waitFor({ timeout: SOON_MS });
    assert.match(await list.innerText(), /critical · oversell_guard · 2 · for/);
    await page.keyboard.press('Escape');

    // Another page has the same bell.
    await page.getByRole('link', { name: 'Explore' }).first().click();
    await bell(page, '2 firing').waitFor({ timeout: SOON_MS });

    await page.context().setOffline(true);
    await within(SOON_MS, 'the link to be lost', async () => /offline/i.test(await page.locator('.pill').innerText()));
    await tell(server, [
      { id: 'stock', status: 'ended' },
      { id: 'late', message: 'Fired while nobody looked' },
      { id: 'revenue', status: 'ended' },
    ]);
    assert.equal(await bell(page, '2 firing').count(), 1, 'what was known stays');
    await page.context().setOffline(false);
    await bell(page, '1 firing').click({ timeout: SOON_MS });
    const now = page.getByRole('dialog', { name: 'Alerts: 1 firing' });
    const items = await now.getByRole('listitem').allInnerTexts();
    assert.match(items[0], /Fired while nobody looked/, 'what fires comes first');
    assert.equal(items.length, 3);
    assert.ok(
      items.slice(1).every((item) => /ended/.test(item)),
      items.join('\n'),
    );
    assert.deepEqual(
      problems.filter((problem) => !/ERR_INTERNET_DISCONNECTED/.test(problem)),
      [],
    );
    await close();
    await tell(server, { id: 'late', status: 'ended' });
  },

  async 'a plain page hears alerts from an EventSource of its own'({ browser, server }) {
    const { page, close } = await openPage(browser, server, '#/');
    await page.evaluate(() => {
      window.heard = [];
      const source = new EventSource('/api/v1/live/sse?channel=alerts&last=0');
      source.addEventListener('init', () => window.heard.push('init'));
      source.addEventListener('alert', ({ data }) => window.heard.push(JSON.parse(data).message));
    });
    const heard = () => page.evaluate(() => window.heard);
    await within(SOON_MS, 'init', async () => (await heard()).includes('init'));
    await tell(server, { id: 'plain', message: 'One line is enough' });
    await within(SOON_MS, 'the alert', async () => (await heard()).length > 1);
    assert.deepEqual(await heard(), ['init', 'One line is enough']);
    await close();
    await tell(server, { id: 'plain', status: 'ended' });
  },
};
