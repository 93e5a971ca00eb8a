/** A page under test: it notes errors and requests to elsewhere, and looks at every painted frame for blanks. */

/** Runs in the page before its own code: watches what was shown once and must not vanish again. */
function watchFrames() {
  const seen = new Set();
  window.blanks = [];
  const look = () => {
    for (const panel of document.querySelectorAll('.board .panel')) {
      const title = panel.querySelector('.panel-title')?.textContent ?? '';
      const value = panel.querySelector('[data-part=value]')?.textContent;
      const filled =
        (value !== undefined && value !== '' && value !== '–') ||
        panel.querySelector('.uplot, .bar, .live-table tbody td');
      if (filled) {
        seen.add(title);
      } else if (seen.has(title)) {
        window.blanks.push(title);
      }
    }
    if (seen.size > 0 && document.querySelector('.board .panel') === null && location.hash.startsWith('#/boards/')) {
      window.blanks.push('the whole board');
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** `init` runs in the page before its own code; `watch: false` leaves out looking at every frame. */
export async function openPage(browser, server, hash, { viewport, init, watch = true, ...more } = {}) {
  const context = await browser.newContext({ viewport: viewport ?? { width: 1440, height: 900 }, ...more });
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    // A refused connection while the server is away is what the test is about.
    if (
      message.type() === 'error' &&
      !/ERR_CONNECTION|WebSocket connection|ERR_INCOMPLETE|ERR_EMPTY/.test(message.text())
    ) {
      problems.push(`console: ${message.text()}`);
    }
  });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(server.url) && !url.startsWith(`ws://127.0.0.1:${server.port}`)) {
      problems.push(`a request to elsewhere: ${url}`);
    }
  });
  if (watch) {
    await page.addInitScript(watchFrames);
  }
  if (init !== undefined) {
    await page.addInitScript(init);
  }
  await page.goto(`${server.url}/${hash}`);
  return { page, problems, close: () => context.close() };
}

/** The text of a stat by its panel's title. */
export function stat(page, title) {
  const panel = page.locator('.panel', { has: page.locator('.panel-title', { hasText: new RegExp(`^${title}$`) }) });
  return panel.locator('[data-part=value]').first();
}
