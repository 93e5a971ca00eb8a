/** Links to a board: makes them, shows them once, lists and takes them back. A secret is held no longer than the dialog is open. */

import { formatAge } from '@pulseboard/react/format';
import { useCallback, useEffect, useState } from 'react';
import { Dialog, SelectField, TextField } from '../forms';
import { ApiError, request } from '../shared/api';
import { client } from '../shared/live';
import type { Params } from './plan';
import './share.css';

interface Share {
  readonly id: string;
  readonly name: string;
  readonly variables: Params;
  /** µs UTC. */
  readonly created: number;
  readonly expires: number | null;
}

interface ShareDialogProps {
  readonly board: string;
  /** The board's variables as they are chosen now. */
  readonly values: Params;
  readonly close: () => void;
}

const LASTS: readonly (readonly [string, string])[] = [
  ['', 'until it is taken back'],
  ['3600', 'an hour'],
  ['86400', 'a day'],
  ['604800', 'a week'],
  ['2592000', '30 days'],
];

export function ShareDialog({ board, values, close }: ShareDialogProps) {
  const { shares, problem, make, revoke } = useShares(board);
  const [name, setName] = useState('');
  const [lasts, setLasts] = useState('');
  const [fixes, setFixes] = useState(true);
  const [made, setMade] = useState<string | null>(null);
  const chosen = Object.entries(values);
  const submit = async () => {
    const fragment = await make({
      name: name.trim(),
      variables: fixes ? values : {},
      ...(lasts === '' ? {} : { expires_in_s: Number(lasts) }),
    });
    if (fragment !== null) {
      setMade(new URL(fragment, document.baseURI).href);
      setName('');
    }
  };
  return (
    <Dialog
      title="Share the board"
      wide
      onClose={close}
      onSubmit={() => void submit()}
      actions={
        <>
          <button type="button" className="button" onClick={close}>
            Done
          </button>
          <button type="submit" className="button-primary">
            Make a link
          </button>
        </>
      }
    >
      <p>Whoever has a link sees this board live, changes nothing, and sees nothing else.</p>
      {made === null ? null : <Made url={made} />}
      <TextField label="What it is for" value={name} onChange={setName} placeholder="the screen in the hall" />
      <SelectField label="How long it is good" value={lasts} onChange={setLasts} options={LASTS} />
      {chosen.length === 0 ? null : (
        <label className="share-fix">
          <input type="checkbox" checked={fixes} onChange={({ target }) => setFixes(target.checked)} />
          Only as it is now: {chosen.map(([variable, value]) => `${variable} ${value}`).join(', ')}
        </label>
      )}
      {problem === null ? null : (
        <p className="field-hint" data-wrong role="alert">
          {problem}
        </p>
      )}
      {shares.length === 0 ? null : (
        <ul className="shares" aria-label="Links">
          {shares.map((share) => (
            <li key={share.id}>
              <div>
                {share.name === '' ? 'A link' : share.name}
                <small>{detailOf(share)}</small>
              </div>
              <button type="button" className="button" onClick={() => void revoke(share.id)}>
                Take back
              </button>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}

function Made({ url }: { readonly url: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => navigator.clipboard.writeText(url).then(() => setCopied(true));
  return (
    <div className="field">
      <label htmlFor="share-made">The link, shown this once</label>
      <div className="share-made">
        <input
          id="share-made"
          className="input"
          readOnly
          value={url}
          onFocus={({ target }) => target.select()}
          // biome-ignore lint/a11y/noAutofocus: it was just asked for, and is to be copied
          autoFocus
        />
        <button type="button" className="button" onClick={() => void copy()}>
          {copied ? 'Copied' : 'Copy'}
        </button>
      </div>
    </div>
  );
}

function detailOf({ variables, created, expires }: Share): string {
  const now_ms = client.serverNow_ms();
  const ends = expires === null ? '' : `, ends in ${formatAge(expires / 1_000 - now_ms)}`;
  const fixed = Object.entries(variables).map(([variable, value]) => `, ${variable} ${value}`);
  const age = formatAge(now_ms - created / 1_000);
  return `made ${age}${age === 'now' ? '' : ' ago'}${ends}${fixed.join('')}`;
}

/** The links to a board that are good, and what was refused, in the server's words. */
function useShares(board: string) {
  const [shares, setShares] = useState<readonly Share[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  const path = `boards/${encodeURIComponent(board)}/shares`;
  const load = useCallback(async () => {
    setShares((await request<{ shares: readonly Share[] }>(path)).shares);
  }, [path]);
  const tried = useCallback(async <T,>(work: () => Promise<T>): Promise<T | null> => {
    try {
      setProblem(null);
      return await work();
    } catch (error) {
      setProblem(error instanceof ApiError ? error.message : 'the server did not answer');
      return null;
    }
  }, []);
  useEffect(() => {
    void tried(load);
  }, [tried, load]);
  const make = (wish: object) =>
    tried(async () => {
      const { fragment } = await request<{ fragment: string }>(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(wish),
      });
      await load();
      return fragment;
    });
  const revoke = (id: string) =>
    tried(async () => {
      await request(`${path}/${encodeURIComponent(id)}`, { method: 'DELETE' });
      await load();
    });
  return { shares, problem, make, revoke };
}
