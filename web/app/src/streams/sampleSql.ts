/** A first question to a stream. */

/** Names that SQL would not read as they are need quotes. */
export function sampleSql(stream: string): string {
  const name = /^[a-z_][a-z0-9_]*$/.test(stream) ? stream : `"${stream}"`;
  return `SELECT * FROM ${name} ORDER BY time DESC LIMIT 20`;
}
