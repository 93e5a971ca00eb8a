/** The keys, in a dialog. Fetched when somebody asks for it. */

import { useEffect, useId, useRef } from 'react';
import { CloseIcon } from '../shared/rareIcons';
import { SHORTCUTS } from './keyList';

export function Help({ onClose }: { readonly onClose: () => void }) {
  const titleId = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="dialog help" aria-labelledby={titleId} onClose={onClose}>
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
      <div className="help-groups">
        {SHORTCUTS.map(([where, keys]) => (
          <section key={where}>
            <h3>{where}</h3>
            <dl>
              {keys.map(([chord, what]) => (
                <div key={chord}>
                  <dt>
                    {chord.split(' ').map((key, at) => (
                      // biome-ignore lint/suspicious/noArrayIndexKey: a key may be pressed twice
                      <kbd key={at}>{key}</kbd>
                    ))}
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
