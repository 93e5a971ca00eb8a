import { describe, expect, it } from 'vitest';
import { EventStreamParser, type ServerEvent } from '../src/eventStream';

function parse(...pieces: string[]): ServerEvent[] {
  const parser = new EventStreamParser();
  return pieces.flatMap((piece) => [...parser.push(piece)]);
}

describe('an event stream', () => {
  const text =
    'retry: 700\n\n: a comment\nid: c1\nevent: init\ndata: {"a":1}\n\nevent: frame\ndata: one\ndata: two\n\ndata\n\n';
  const events: ServerEvent[] = [
    { type: 'init', data: '{"a":1}', id: 'c1' },
    { type: 'frame', data: 'one\ntwo', id: 'c1' },
    { type: 'message', data: '', id: 'c1' },
  ];

  it('is read as the standard says', () => {
    expect(parse(text)).toEqual(events);
  });

  it('is the same however it is cut, and with any line ends', () => {
    for (const ends of ['\n', '\r\n', '\r']) {
      // One more line, because a CR at the very end may still become a CRLF.
      const sent = `${text.replaceAll('\n', ends)}:${ends}`;
      expect(parse(...sent)).toEqual(events);
      expect(parse(sent)).toEqual(events);
      expect(parse(sent.slice(0, 23), sent.slice(23, 40), sent.slice(40))).toEqual(events);
    }
  });

  it('keeps one space of a value and no more', () => {
    expect(parse('data:  x\n\n')).toEqual([{ type: 'message', data: ' x', id: '' }]);
  });

  it('gives nothing before an event is whole', () => {
    expect(parse('event: frame\ndata: x\n')).toEqual([]);
  });
});
