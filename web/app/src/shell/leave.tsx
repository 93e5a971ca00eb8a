/** Who is there, in the menu of looks, the way out, and another password. */

import { useState } from 'react';
import { client } from '../shared/live';
import { logOut } from '../shared/login';
import { keepToken, token } from '../shared/pass';
import { useSession } from '../shared/session';
import { ChangePassword } from './changePassword';
import './leave.css';

/** Shown to who logged in or came with a token: who they are, and the way out. */
export function Leave() {
  const { me } = useSession();
  const [changes, setChanges] = useState<'no' | 'asks' | 'done'>('no');
  const hasToken = token() !== null;
  if (me === null || (!me.login && !hasToken)) {
    return null;
  }
  const leave = async () => {
    if (me.login) {
      // What is on the screen must not be kept on the way out.
      client.close();
      await logOut();
    }
    keepToken(null);
    location.reload();
  };
  return (
    <div className="leave">
      <div className="leave-who">
        <p>
          <span>{me.name === '' ? 'A token' : me.name}</span> <span className="leave-role">{me.role}</span>
        </p>
        <button type="button" className="button" onClick={() => void leave()}>
          {me.login ? 'Sign out' : 'Forget the token'}
        </button>
      </div>
      {me.login ? (
        <button
          type="button"
          className="leave-change"
          aria-expanded={changes === 'asks'}
          onClick={() => setChanges(changes === 'asks' ? 'no' : 'asks')}
        >
          Change password
        </button>
      ) : null}
      {changes === 'asks' ? <ChangePassword user={me.name} onDone={() => setChanges('done')} /> : null}
      {changes === 'done' ? <p role="status">The password is changed.</p> : null}
    </div>
  );
}
