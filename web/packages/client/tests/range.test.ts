import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type RangeAnswer, type RangeRequest, range } from '../src/range';
import { RequestError } from '../src/requests';

interface Fixture {
  readonly requests: readonly RangeRequest[];
  readonly answer: RangeAnswer;
}

/** The fixture that the server's own tests read too. */
const fixture: Fixture = JSON.parse(
  readFileSync(new URL('../../../../crates/protocol/fixtures/ranges.json', import.meta.url), 'utf8'),
);

const URL_OF_API = 'http://pulse.test/api/v1/';

describe('range()', () => {
  it('sends what the server reads and gives what it answers', async () => {
    for (const request of fixture.requests) {
      const sent: { url: string; body: unknown }[] = [];
      const fetch: typeof globalThis.fetch = async (url, init) => {
        sent.push({ url: String(url), body: JSON.parse(String(init?.body)) });
        return Response.json(fixture.answer);
      };
      const answer = await range(request, { url: URL_OF_API, fetch });
      expect(sent).toEqual([{ url: 'http://pulse.test/api/v1/range', body: request }]);
      expect(answer.rows).toEqual(fixture.answer.rows);
      expect(answer.channel).toBe('view:revenue?bucket=15%20minutes');
    }
  });

  it("says the server's reason", async () => {
    const error = { error: { code: 'bad_params', message: '`from` must be before `to`', details: {} } };
    const fetch = async () => Response.json(error, { status: 400 });
    const asked = range({ view: 'revenue' }, { url: URL_OF_API, fetch });
    await expect(asked).rejects.toEqual(new RequestError('bad_params', '`from` must be before `to`'));
    await expect(asked).rejects.toMatchObject({ code: 'bad_params' });
  });

  it('tells a server that cannot be reached from one that answers nonsense, and both from being aborted', async () => {
    const offline = async () => Promise.reject(new TypeError('network'));
    await expect(range({}, { url: URL_OF_API, fetch: offline })).rejects.toMatchObject({ code: 'offline' });
    const nonsense = async () => new Response('<html>', { status: 502 });
    await expect(range({}, { url: URL_OF_API, fetch: nonsense })).rejects.toMatchObject({ code: 'unexpected' });
    const controller = new AbortController();
    controller.abort(new Error('gone'));
    const aborted: typeof globalThis.fetch = async (_url, init) => Promise.reject(init?.signal?.reason);
    const asked = range({}, { url: URL_OF_API, fetch: aborted, signal: controller.signal });
    await expect(asked).rejects.toThrow('gone');
  });
});
