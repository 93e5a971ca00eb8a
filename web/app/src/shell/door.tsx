/**
 * What stands before the app: the login when the server asks who comes, nothing when it does not.
 *
 * The app is drawn at once and the question asked beside it, so that nobody waits who needs no login. Whose login ends while
 * they look keeps the page behind the question, and goes on where it was.
 */

import { type ReactNode, Suspense, useEffect } from 'react';
import { later } from '../shared/later';
import { useConnection } from '../shared/live';
import { isShare } from '../shared/pass';
import { lookWho, useSession } from '../shared/session';

const Login = later(async () => (await import('./login')).Login);

export function Door({ children }: { readonly children: ReactNode }) {
  const connection = useConnection();
  const { status, was } = useSession();
  const reason = connection.status === 'closed' ? connection.reason : null;
  const refused = reason === 'unauthorized' || reason === 'expired' || reason === 'revoked';
  useEffect(() => {
    void lookWho();
  }, []);
  useEffect(() => {
    // The connection was refused for who is asking.
    if (refused) {
      void lookWho();
    }
  }, [refused]);
  const isOut = status === 'out';
  // Whose login ends while they look keeps the page; of a link that has ended nothing stays.
  const stays = !isOut || (was && !isShare);
  return (
    <>
      {stays ? children : null}
      {isOut ? (
        <Suspense fallback={null}>
          <Login ended={was} />
        </Suspense>
      ) : null}
    </>
  );
}
