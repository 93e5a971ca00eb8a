/**
 * What a page's frames cost: the browser's own trace of its main thread, cut at each animation frame.
 *
 * A frame's time is that of all tasks of the main thread from its animation callbacks to those of the next one: script, style,
 * layout, paint, collecting garbage, and what came in over the network meanwhile. `cpu` is the thread's own time of the same tasks, which other
 * programs of the machine do not stretch.
 */

import { writeFile } from 'node:fs/promises';

const CATEGORIES = ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'toplevel'];
const FRAME_MS = 1_000 / 60;

/** Asks for each frame as long as the page is there, so that the browser makes all that it can. */
export function askForFrames() {
  const next = () => requestAnimationFrame(next);
  requestAnimationFrame(next);
}

/** Traces for so long and says what frames cost. `TRACE=file` keeps the last trace, for the browser's own performance panel. */
export async function measureFrames(browser, page, for_ms) {
  await browser.startTracing(page, { categories: CATEGORIES });
  await page.waitForTimeout(for_ms);
  const trace = await browser.stopTracing();
  if (process.env.TRACE !== undefined) {
    await writeFile(process.env.TRACE, trace);
  }
  const { traceEvents } = JSON.parse(trace.toString());
  return framesOf(traceEvents);
}

function framesOf(events) {
  const mains = new Set(
    events.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain').map(threadOf),
  );
  const byThread = new Map();
  for (const event of events) {
    if (mains.has(threadOf(event)) && (event.name === 'FireAnimationFrame' || isTask(event))) {
      const list = byThread.get(threadOf(event)) ?? [];
      byThread.set(threadOf(event), list);
      list.push(event);
    }
  }
  // The page's thread is the one with the most to do; there may be others of pages that wait.
  const own = [...byThread.values()].sort((a, b) => b.length - a.length)[0] ?? [];
  const tasks = outermost(own.filter(isTask).sort((a, b) => a.ts - b.ts));
  const asked_us = own.filter(({ name }) => name === 'FireAnimationFrame').map(({ ts }) => ts);
  asked_us.sort((a, b) => a - b);
  const frames = cut(tasks, asked_us);
  const gaps = asked_us.slice(1).map((at, index) => (at - asked_us[index]) / 1_000);
  const missed = gaps.reduce((sum, gap_ms) => sum + Math.max(0, Math.round(gap_ms / FRAME_MS) - 1), 0);
  return {
    frames: frames.length,
    wall_ms: frames.map(({ wall_us }) => wall_us / 1_000),
    cpu_ms: frames.map(({ cpu_us }) => cpu_us / 1_000),
    dropped: missed / (missed + frames.length),
    busy: frames.reduce((sum, { cpu_us }) => sum + cpu_us, 0) / (asked_us.at(-1) - asked_us[0]),
  };
}

const threadOf = ({ pid, tid }) => `${pid} ${tid}`;
const isTask = ({ name, ph }) => ph === 'X' && (name === 'RunTask' || name === 'ThreadControllerImpl::RunTask');

/** Tasks that are not part of another one. */
function outermost(tasks) {
  let end_us = 0;
  return tasks.filter(({ ts, dur = 0 }) => {
    const outer = ts >= end_us;
    end_us = Math.max(end_us, ts + dur);
    return outer;
  });
}

/** Several callbacks of one frame are in one task: it begins the frame. */
function cut(tasks, asked_us) {
  const frames = [];
  let next = 0;
  for (const { ts, dur = 0, tdur = dur } of tasks) {
    let begins = false;
    while (next < asked_us.length && asked_us[next] < ts + dur) {
      begins ||= asked_us[next] >= ts;
      next += 1;
    }
    if (begins) {
      frames.push({ wall_us: 0, cpu_us: 0 });
    }
    const frame = frames.at(-1);
    if (frame !== undefined) {
      frame.wall_us += dur;
      frame.cpu_us += tdur;
    }
  }
  // The last one is cut off by the end of the trace.
  return frames.slice(0, -1);
}

/** The value below which a share of all lies. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
