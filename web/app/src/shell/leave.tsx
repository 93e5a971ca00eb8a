/** Who is there, in the menu of looks, and the way out. */

import { client } from '../shared/live';
import { logOut } from '../shared/login';
import { keepToken, token } from '../shared/pass';
import { useSession } from '../shared/session';
import './leave.css';

/** Shown to who logged in or came with a token: who they are, and the way out. */
export function Leave() {
  const { me } = useSession();
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
      <p>
        <span>{me.name === '' ? 'A token' : me.name}</span> <span className="leave-role">{me.role}</span>
      </p>
      <button type="button" className="button" onClick={() => void leave()}>
        {me.login ? 'Sign out' : 'Forget the token'}
      </button>
    </div>
  );
}
