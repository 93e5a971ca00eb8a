/** Another password, for who is logged in: asked for in the menu, below the way out. Keeps nothing that is typed. */

import { type FormEvent, useState } from 'react';
import { Field } from '../forms/fields';
import { changePassword, type Refusal } from '../shared/login';

/** As many as the server asks for. */
const CHARS_MIN = 10;

export function ChangePassword({ user, onDone }: { readonly user: string; readonly onDone: () => void }) {
  const [problem, setProblem] = useState<Refusal | null>(null);
  const [isAsking, setAsking] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setAsking(true);
    const wrong = await changePassword(String(form.get('current') ?? ''), String(form.get('new') ?? ''));
    setAsking(false);
    setProblem(wrong);
    if (wrong === null) {
      onDone();
    }
  };
  return (
    <form className="change-password" onSubmit={submit}>
      {/* For whoever keeps passwords: whose it is. */}
      <input type="text" autoComplete="username" value={user} readOnly hidden />
      <Secret
        label="Current password"
        name="current"
        autoComplete="current-password"
        isWrong={problem?.status === 403}
      />
      <Secret
        label="New password"
        name="new"
        autoComplete="new-password"
        isWrong={problem?.status === 400}
        hint={`At least ${CHARS_MIN} characters. Your other logins end.`}
      />
      {problem === null ? null : (
        <p className="field-hint" data-wrong="true" role="alert">
          {problem.message}
        </p>
      )}
      <button type="submit" className="button-primary" disabled={isAsking}>
        Change it
      </button>
    </form>
  );
}

interface SecretProps {
  readonly label: string;
  readonly name: string;
  readonly autoComplete: string;
  readonly isWrong: boolean;
  readonly hint?: string;
}

function Secret({ label, name, autoComplete, isWrong, hint }: SecretProps) {
  return (
    <Field label={label} hint={hint}>
      {(id, describedBy) => (
        <input
          id={id}
          name={name}
          type="password"
          className="input"
          autoComplete={autoComplete}
          aria-describedby={describedBy}
          aria-invalid={isWrong}
          required
        />
      )}
    </Field>
  );
}
