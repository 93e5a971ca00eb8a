import { describe, expect, it } from 'vitest';
import { openLink } from './openLink';

const link = { transport: 'websocket', latency_ms: 8.4, saving_hz: null } as const;

describe('the pill of an open link', () => {
  it('says how it is connected and how long events take', () => {
    expect(openLink(link)).toEqual({
      tone: 'ok',
      word: 'Live',
      figure: '8.4 ms',
      title: 'Connected over WebSocket; the last events took 8.4 ms from acceptance to the screen',
    });
    expect(openLink({ ...link, latency_ms: null })).toMatchObject({ figure: null, title: 'Connected over WebSocket' });
    expect(openLink({ ...link, latency_ms: 0.2 }).figure).toBe('< 1 ms');
    expect(openLink({ ...link, latency_ms: 412.4 }).figure).toBe('412 ms');
  });

  it('says so when frames come slower than they were asked for', () => {
    const late = openLink({ ...link, latency_ms: 4_781 });
    expect(late).toMatchObject({ tone: 'warning', word: 'Throttled', figure: '4.8 s' });
    expect(late.title).toMatch(/is behind/);
  });

  it('says so when fewer are asked for', () => {
    expect(openLink({ ...link, saving_hz: 1 })).toMatchObject({ tone: 'ok', word: 'Throttled', figure: '1 Hz' });
    expect(openLink({ ...link, saving_hz: 1 }).title).toMatch(/^Connected over WebSocket, a frame a second at most/);
  });

  it('calls polling polling, which is late by its nature', () => {
    expect(openLink({ ...link, transport: 'poll', latency_ms: 2_500 })).toMatchObject({ tone: 'ok', word: 'Polling' });
  });
});
