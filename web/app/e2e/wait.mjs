/** Waiting for a condition, with a deadline and a sentence for when it does not come. */

const LOOK_EVERY_MS = 20;

/** Resolves with the first truthy answer of `condition`, or with how long it took if the answer is just `true`. */
export async function within(deadline_ms, what, condition) {
  const start_ms = performance.now();
  for (;;) {
    const answer = await condition();
    const waited_ms = performance.now() - start_ms;
    if (answer) {
      return answer === true ? waited_ms : answer;
    }
    if (waited_ms > deadline_ms) {
      throw new Error(`waited ${deadline_ms} ms for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
