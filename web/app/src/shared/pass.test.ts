import { describe, expect, it } from 'vitest';
import { secretOf, token, withToken } from './pass';

describe('the token of a tab', () => {
  it('goes with a request as a header beside its others, and changes nothing where there is none', () => {
    const init = { method: 'PUT', headers: { 'if-match': '"a"' } };
    expect(withToken(init, null)).toBe(init);
    const sent = withToken(init, 'pb_a_b');
    expect(sent.method).toBe('PUT');
    expect(Object.fromEntries(new Headers(sent.headers))).toEqual({
      'if-match': '"a"',
      authorization: 'Bearer pb_a_b',
    });
    expect(init.headers).toEqual({ 'if-match': '"a"' });
  });

  it('is the secret of a link where the page was opened by one', () => {
    expect(secretOf('#/share/pb_share1f_x-Y_z?kiosk=true')).toBe('pb_share1f_x-Y_z');
    for (const none of ['', '#/share/', '#/boards/share', '#/shares/x']) {
      expect(secretOf(none)).toBeNull();
    }
  });

  it('is none where nothing is kept', () => {
    expect(token()).toBeNull();
  });
});
