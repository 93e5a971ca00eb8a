/** How long until something is seen: a first visit, and an event on its way through nginx and a stream to the screen. */

import { within } from '../e2e/wait.mjs';
import { quantile } from './frames.mjs';
import { startNginx } from './nginx.mjs';

const VISITS = 10;
const EVENTS = 300;
const PAUSE_MS = 60;
const SEEN_MS_MAX = 10_000;

/** Runs in the page: notes when each number of the board stood on the screen for the first time, ms since the visit began. */
function watchFirst() {
  const look = () => {
    const values = [...document.querySelectorAll('.board [data-part=value]')];
    const filled = values.length >= 6 && values.every(({ textContent }) => /\d/.test(textContent ?? ''));
    if (filled && document.querySelector('.board .uplot') !== null) {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        window.firstSeen_ms = performance.now();
      };
      port2.postMessage(null);
    } else {
      requestAnimationFrame(look);
    }
  };
  requestAnimationFrame(look);
}

export async function firstVisit({ open, report }) {
  const took_ms = [];
  for (let visit = 0; visit < VISITS; visit += 1) {
    // A context of its own: nothing is cached and nothing is known.
    const { page, close } = await open('#/boards/infra', watchFirst);
    took_ms.push(await within(SEEN_MS_MAX, 'the board', () => page.evaluate('window.firstSeen_ms')));
    await close();
  }
  const note = `p50 ${quantile(took_ms, 0.5).toFixed(0)} ms of ${VISITS} visits with an empty cache`;
  report.add(
    'first visit of the infra board, until every number and a chart are painted: max',
    Math.max(...took_ms),
    'ms',
    {
      goal: 1_000,
      digits: 0,
      note,
    },
  );
}

/** Runs in the page: posts an event and waits until its number is painted; both on the page's own clock. */
async function postAndSee({ n, seen_ms_max }) {
  const value = document.querySelector('[data-panel=p0] [data-part=value]');
  const text = n.toLocaleString('en-US');
  const seen = new Promise((resolve, reject) => {
    const observer = new MutationObserver(() => {
      if (value.textContent === text) {
        observer.disconnect();
        const { port1, port2 } = new MessageChannel();
        // What is posted while a frame is made runs after it was painted.
        port1.onmessage = () => resolve(performance.now());
        port2.postMessage(null);
      }
    });
    observer.observe(value, { childList: true, characterData: true, subtree: true });
    setTimeout(() => reject(new Error(`${text} was not seen; ${value.textContent} was`)), seen_ms_max);
  });
  const began_ms = performance.now();
  const posted = fetch('/api/v1/streams/bench_pixel/events', { method: 'POST', body: JSON.stringify({ n }) });
  const answered = posted.then((response) => {
    if (!response.ok) {
      throw new Error(`POST: ${response.status}`);
    }
    return performance.now() - began_ms;
  });
  const [seen_ms, answered_ms] = await Promise.all([seen, answered]);
  return { seen_ms: seen_ms - began_ms, answered_ms };
}

export async function eventToPixel({ server, open, report }) {
  const nginx = await startNginx(server);
  try {
    await server.post('bench_pixel', { n: 1_000 });
    const { page, close } = await open('?transport=sse#/boards/bench_pixel', undefined, nginx);
    await page.locator('[data-panel=p0] [data-part=value]', { hasText: '1,000' }).waitFor();
    const took = [];
    for (let index = 1; index <= EVENTS; index += 1) {
      took.push(await page.evaluate(postAndSee, { n: 1_000 + index, seen_ms_max: SEEN_MS_MAX }));
      // Not in step with the frames.
      await page.waitForTimeout(PAUSE_MS * (0.5 + Math.random()));
    }
    await close();
    const all = took.map(({ seen_ms }) => seen_ms);
    const answered = took.map(({ answered_ms }) => answered_ms);
    const note = `p50 ${quantile(all, 0.5).toFixed(1)}, max ${Math.max(...all).toFixed(1)} ms of ${EVENTS}; the POST itself p50 ${quantile(answered, 0.5).toFixed(1)}, p99 ${quantile(answered, 0.99).toFixed(1)} ms`;
    report.add('POST in the page → painted in the page, over SSE through nginx: p99', quantile(all, 0.99), 'ms', {
      floor: 100,
      goal: 50,
      note,
    });
  } finally {
    await nginx.close();
  }
}
