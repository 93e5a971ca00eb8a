/** The order of rows while somebody points at them. No React. */

/** The order as it stood, without what went, with what came at the end. */
export function heldOrder(before: readonly string[], now: readonly string[]): readonly string[] {
  const present = new Set(now);
  const kept = before.filter((id) => present.has(id));
  const known = new Set(kept);
  return [...kept, ...now.filter((id) => !known.has(id))];
}
