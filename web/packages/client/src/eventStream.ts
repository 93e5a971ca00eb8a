/**
 * Server-sent events out of a byte stream, piece by piece: text goes in as it comes, whole events go out.
 *
 * Read by fetch and not by EventSource, which hides why a request was refused, carries no token, is missing in Node and
 * reconnects by its own idea of timing.
 */

export interface ServerEvent {
  readonly type: string;
  readonly data: string;
  /** The last `id:` up to here; empty before any. */
  readonly id: string;
}

export class EventStreamParser {
  #rest = '';
  #type = '';
  #data: string[] = [];
  #id = '';

  /** The events that `text` completes. */
  *push(text: string): Generator<ServerEvent> {
    // A lone CR at the end may be the first half of a CRLF, so it stays until more comes.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== '') {
        this.#field(line);
      } else if (this.#data.length > 0) {
        yield { type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id };
        this.#data = [];
        this.#type = '';
      }
    }
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') {
      this.#data.push(value);
    } else if (name === 'event') {
      this.#type = value;
    } else if (name === 'id') {
      this.#id = value;
    }
  }
}
