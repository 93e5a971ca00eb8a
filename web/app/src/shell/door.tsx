/**
 * What stands before the app: a form for a token when the server asks who comes, nothing when it does not.
 *
 * The app is drawn at once and the question asked beside it, so that nobody waits who needs no token.
 */

import { type FormEvent, type ReactNode, useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import { API_URL } from '../shared/api';
import { useConnection } from '../shared/live';
import { keepToken, token, withToken } from '../shared/pass';

let isShut = false;
const listeners = new Set<() => void>();

async function isRefused(text: string | null): Promise<boolean> {
  const response = await fetch(new URL('me', API_URL), withToken({ cache: 'no-store' }, text));
  return response.status === 401;
}

async function look(): Promise<void> {
  try {
    isShut = await isRefused(token());
    for (const listener of listeners) {
      listener();
    }
  } catch {
    // The server is not reached: the app says so by itself.
  }
}

export function Door({ children }: { readonly children: ReactNode }) {
  const connection = useConnection();
  const reason = connection.status === 'closed' ? connection.reason : null;
  const refused = reason === 'unauthorized' || reason === 'expired' || reason === 'revoked';
  useEffect(() => {
    void look();
  }, []);
  useEffect(() => {
    // The connection was refused for who is asking.
    if (refused) {
      void look();
    }
  }, [refused]);
  const shut = useSyncExternalStore(
    useCallback((changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    }, []),
    () => isShut,
  );
  return shut ? <Asks /> : children;
}

function Asks() {
  const [problem, setProblem] = useState('');
  const [isAsking, setAsking] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get('token') ?? '').trim();
    setAsking(true);
    try {
      if (!(await isRefused(text))) {
        keepToken(text);
        // Everything that was refused is asked again, with the token.
        location.reload();
        return;
      }
      setProblem('The server does not take this token: it is wrong, has ended or was taken back.');
    } catch {
      setProblem('The server is not reached.');
    }
    setAsking(false);
  };
  return (
    <main className="door">
      <form className="door-form" onSubmit={submit}>
        <h1>Pulseboard</h1>
        <p>This server asks who comes.</p>
        <div className="field">
          <label htmlFor="door-token">Token</label>
          <input
            id="door-token"
            name="token"
            type="password"
            className="input"
            autoComplete="current-password"
            aria-invalid={problem !== ''}
            aria-describedby="door-hint"
            required
          />
          <span
            id="door-hint"
            className="field-hint"
            data-wrong={problem !== ''}
            role={problem === '' ? 'note' : 'alert'}
          >
            {problem === '' ? 'It is forgotten when this tab is closed.' : problem}
          </span>
        </div>
        <button type="submit" className="button" disabled={isAsking}>
          Open
        </button>
      </form>
    </main>
  );
}

/** Shown to who came with a token. */
export function Leave() {
  if (token() === null) {
    return null;
  }
  const leave = () => {
    keepToken(null);
    location.reload();
  };
  return (
    <button type="button" className="button" onClick={leave}>
      Forget the token
    </button>
  );
}
