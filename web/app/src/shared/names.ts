/** Names of boards, panels and views, which are names of files and channels, too. */

/** Turns a title into a name: `Orders per minute` is `orders_per_minute`. */
export function nameOf(title: string): string {
  const plain = title.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const name = plain.replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '');
  return name === '' || /^[a-z]/.test(name) ? name.slice(0, 60) : `b_${name}`.slice(0, 60);
}

/** Whether a text is a name: letters, digits, `_ - .`, at most 120. */
export function isName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_.-]{0,119}$/.test(name);
}
