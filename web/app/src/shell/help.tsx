/** The keys, in a dialog. */

import { type RefObject, useId } from 'react';
import { CloseIcon } from '../shared/icons';
import { SHORTCUTS } from './shortcuts';

export function Help({ dialog }: { readonly dialog: RefObject<HTMLDialogElement | null> }) {
  const titleId = useId();
  return (
    <dialog ref={dialog} className="help" aria-labelledby={titleId}>
      <header className="mb-3 flex items-center justify-between">
        <h2 id={titleId} className="text-[14px] font-semibold">
          Keys
        </h2>
        <form method="dialog">
          <button type="submit" className="icon-button" aria-label="Close">
            <CloseIcon size={14} />
          </button>
        </form>
      </header>
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-5 gap-y-2">
        {SHORTCUTS.map(([keys, what]) => (
          <div key={keys} className="contents">
            <dt className="flex gap-1">
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd className="text-t2">{what}</dd>
          </div>
        ))}
      </dl>
    </dialog>
  );
}
