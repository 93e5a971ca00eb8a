/** Logging in and out, another password, and forgetting what was kept of what somebody saw. Keeps neither passwords nor what a cookie holds. */

import { API_URL } from './api';
import { keepMe } from './session';

/** Who logged in here last. */
const LAST_USER = 'pulseboard.user';

/** What was wrong. */
export interface Refusal {
  /** For a person. */
  readonly message: string;
  /** Of the answer; 0 if none came. */
  readonly status: number;
}

/** Null when it went well, else what was wrong, for a person. */
export async function logIn(user: string, password: string): Promise<string | null> {
  const refusal = await send('POST', 'session', { user, password });
  if (refusal === null) {
    await forgetOfOthers(user);
  }
  return refusal?.message ?? null;
}

/** Another password for who is logged in. Null when it went well: 403 is a wrong one now, 400 a new one that will not do. */
export function changePassword(password: string, new_password: string): Promise<Refusal | null> {
  return send('PUT', 'session/password', { password, new_password });
}

async function send(method: string, path: string, body: object): Promise<Refusal | null> {
  try {
    const response = await fetch(new URL(path, API_URL), {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (response.ok) {
      return null;
    }
    const answer = (await response.json().catch(() => ({}))) as { error?: { message?: string } };
    return { message: sentence(answer.error?.message ?? 'the server refused it'), status: response.status };
  } catch {
    return { message: 'The server is not reached.', status: 0 };
  }
}

/** Ends the login and forgets what was kept of what it showed. The page is to be loaded anew afterwards. */
export async function logOut(): Promise<void> {
  await fetch(new URL('session', API_URL), { method: 'DELETE' });
  keepMe(null);
  await forgetAll();
}

async function forgetOfOthers(user: string): Promise<void> {
  try {
    const last = localStorage.getItem(LAST_USER);
    localStorage.setItem(LAST_USER, user);
    if (last === null || last === user) {
      return;
    }
  } catch {
    return;
  }
  await forgetAll();
}

/** What was seen is kept for the next visit, but not for whoever comes next. */
async function forgetAll(): Promise<void> {
  try {
    for (const name of Object.keys(localStorage).filter((each) => each.startsWith('pulseboard.board '))) {
      localStorage.removeItem(name);
    }
  } catch {
    // Then nothing was kept either.
  }
  if (typeof indexedDB === 'undefined') {
    return;
  }
  const request = indexedDB.deleteDatabase('pulseboard');
  await new Promise<void>((resolve) => {
    request.onsuccess = () => resolve();
    request.onerror = () => resolve();
    // Another tab has it open for a moment longer.
    request.onblocked = () => resolve();
  });
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
