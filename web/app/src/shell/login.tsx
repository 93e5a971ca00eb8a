/**
 * The page before the app: the login, with a password or a token, and what is said of a link that has ended.
 *
 * Fetched by who needs it alone. Neither a password nor what a cookie holds is kept.
 */

import { type FormEvent, useEffect, useRef, useState } from 'react';
import { API_URL } from '../shared/api';
import { Logo } from '../shared/icons';
import { client } from '../shared/live';
import { logIn } from '../shared/login';
import { isShare, keepToken, token, withToken } from '../shared/pass';
import { lookWho } from '../shared/session';
import './login.css';

/** `ended`: over the page of who was in until now. */
export function Login({ ended }: { readonly ended: boolean }) {
  if (isShare) {
    return <Gone />;
  }
  return ended ? (
    <Over />
  ) : (
    <main className="door">
      <Asks ended={false} />
    </main>
  );
}

/** Over the page of somebody whose login has ended: what they see stays, and can be reached again once they are in. */
function Over() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} className="door door-over" aria-label="Log in" onCancel={(event) => event.preventDefault()}>
      <Asks ended />
    </dialog>
  );
}

/** Of a link that opens nothing any more. */
function Gone() {
  return (
    <main className="door">
      <div className="door-form">
        <h1>This link has ended</h1>
        <p>It was taken back, or its time is over. Ask whoever gave it to you for another one.</p>
      </div>
    </main>
  );
}

type Way = 'password' | 'token';

function Asks({ ended }: { readonly ended: boolean }) {
  const [way, setWay] = useState<Way>('password');
  const [problem, setProblem] = useState('');
  const [isAsking, setAsking] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? '');
    setAsking(true);
    setProblem('');
    const wrong =
      way === 'token' ? await tryToken(text('token').trim()) : await logIn(text('user').trim(), text('password'));
    if (wrong !== null) {
      setProblem(wrong);
      setAsking(false);
      return;
    }
    if (!ended || way === 'token' || token() !== null) {
      // Everything that was refused is asked again, as who was let in.
      if (way === 'password') {
        keepToken(null);
      }
      location.reload();
      return;
    }
    await lookWho();
    client.retryNow();
  };
  const other: Way = way === 'password' ? 'token' : 'password';
  return (
    <form className="door-form" onSubmit={submit}>
      <Logo />
      <h1>{ended ? 'Your login has ended' : 'Pulseboard'}</h1>
      <p>{ended ? 'Log in again to go on where you were.' : 'This server asks who comes.'}</p>
      {way === 'password' ? (
        <>
          <DoorField name="user" label="User" autoComplete="username" isWrong={problem !== ''} />
          <DoorField
            name="password"
            label="Password"
            type="password"
            autoComplete="current-password"
            isWrong={problem !== ''}
          />
        </>
      ) : (
        <DoorField name="token" label="Token" type="password" autoComplete="off" isWrong={problem !== ''} />
      )}
      <p
        id="door-hint"
        className="field-hint door-hint"
        data-wrong={problem !== ''}
        role={problem === '' ? 'note' : 'alert'}
      >
        {problem !== '' ? problem : way === 'token' ? 'It is forgotten when this tab is closed.' : ''}
      </p>
      <button type="submit" className="button-primary" disabled={isAsking}>
        {way === 'password' ? 'Log in' : 'Open'}
      </button>
      <button
        type="button"
        className="door-other"
        onClick={() => {
          setWay(other);
          setProblem('');
        }}
      >
        {other === 'token' ? 'Use a token instead' : 'Log in with a password'}
      </button>
    </form>
  );
}

interface DoorFieldProps {
  readonly name: string;
  readonly label: string;
  readonly type?: string;
  readonly autoComplete: string;
  readonly isWrong: boolean;
}

function DoorField({ name, label, type = 'text', autoComplete, isWrong }: DoorFieldProps) {
  return (
    <div className="field">
      <label htmlFor={`door-${name}`}>{label}</label>
      <input
        id={`door-${name}`}
        name={name}
        type={type}
        className="input"
        autoComplete={autoComplete}
        autoCapitalize="none"
        spellCheck={false}
        aria-invalid={isWrong}
        aria-describedby="door-hint"
        required
      />
    </div>
  );
}

/** Null when the server takes the token, else what was wrong. */
async function tryToken(text: string): Promise<string | null> {
  try {
    const response = await fetch(new URL('session', API_URL), withToken({ cache: 'no-store' }, text));
    if (response.status === 401) {
      return 'The server does not take this token: it is wrong, has ended or was taken back.';
    }
    keepToken(text);
    return null;
  } catch {
    return 'The server is not reached.';
  }
}
