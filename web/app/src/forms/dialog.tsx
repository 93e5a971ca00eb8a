/** A question over the page: the browser's own dialog, which keeps the focus and closes on Escape. */

import { type FormEvent, type ReactNode, useEffect, useId, useRef } from 'react';

interface DialogProps {
  readonly title: string;
  readonly children: ReactNode;
  /** What can be chosen, the safe way first. */
  readonly actions: ReactNode;
  /** Closed without a choice. */
  readonly onClose: () => void;
  /** Enter in a field. */
  readonly onSubmit?: () => void;
  readonly wide?: boolean;
}

export function Dialog({ title, children, actions, onClose, onSubmit, wide = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSubmit?.();
  };
  return (
    <dialog
      ref={dialog}
      className="ed-dialog"
      data-wide={wide}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <form onSubmit={submit}>
        <h2 id={titleId}>{title}</h2>
        <div className="ed-dialog-body">{children}</div>
        <footer>{actions}</footer>
      </form>
    </dialog>
  );
}
