/**
 * What opens at a button and lies over the page: placed below it, inside the window, closed by Escape or a click elsewhere.
 *
 * The browser's own popover does the closing and the focus; nothing on the page moves for it.
 */

import { type CSSProperties, type ReactNode, type RefObject, useEffect, useId, useRef, useState } from 'react';

interface PopoverProps {
  /** What the button holds. */
  readonly button: ReactNode;
  readonly label: string;
  readonly className?: string;
  readonly title?: string;
  /** Which of its edges lies under the button's. */
  readonly align?: 'left' | 'right';
  readonly surfaceClass?: string;
  readonly kind?: 'dialog' | 'menu';
  /** Gets a function that closes it. Only rendered while it is open. */
  readonly children: (close: () => void) => ReactNode;
  /** Opens it from elsewhere, such as a key. */
  readonly handle?: RefObject<(() => void) | null>;
}

const MARGIN_PX = 8;

export function Popover(props: PopoverProps) {
  const {
    button,
    label,
    className,
    title,
    align = 'right',
    surfaceClass = '',
    kind = 'dialog',
    children,
    handle,
  } = props;
  const id = useId();
  const anchor = useRef<HTMLButtonElement>(null);
  const surface = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const [place, setPlace] = useState<CSSProperties>({});

  useEffect(() => {
    if (handle !== undefined) {
      handle.current = () => surface.current?.showPopover();
    }
  }, [handle]);

  useEffect(() => {
    const element = surface.current;
    if (element === null) {
      return;
    }
    const onToggle = (event: Event) => setOpen((event as ToggleEvent).newState === 'open');
    element.addEventListener('toggle', onToggle);
    return () => element.removeEventListener('toggle', onToggle);
  }, []);

  useEffect(() => {
    const element = surface.current;
    if (!open || element === null) {
      return;
    }
    const put = () => {
      const [at, size] = [anchor.current?.getBoundingClientRect(), element.getBoundingClientRect()];
      if (at === undefined) {
        return;
      }
      const wanted = align === 'left' ? at.left : at.right - size.width;
      const left = Math.max(MARGIN_PX, Math.min(wanted, innerWidth - size.width - MARGIN_PX));
      const below = at.bottom + 6;
      const top =
        below + size.height > innerHeight - MARGIN_PX
          ? Math.max(MARGIN_PX, innerHeight - size.height - MARGIN_PX)
          : below;
      setPlace({ left, top });
    };
    put();
    // What is in it may come a moment later.
    const sizes = new ResizeObserver(put);
    sizes.observe(element);
    element.querySelector<HTMLElement>('[data-autofocus], [role=menuitem]')?.focus();
    return () => sizes.disconnect();
  }, [open, align]);

  return (
    <>
      <button
        ref={anchor}
        type="button"
        className={className}
        popoverTarget={id}
        aria-label={label}
        aria-haspopup={kind}
        aria-expanded={open}
        title={title}
      >
        {button}
      </button>
      {/* biome-ignore lint/a11y/useAriaPropsSupportedByRole: its role is a dialog or a menu, and both are named */}
      <div
        ref={surface}
        id={id}
        popover="auto"
        role={kind}
        aria-label={label}
        className={`surface ${surfaceClass}`}
        style={place}
      >
        {open ? children(() => surface.current?.hidePopover()) : null}
      </div>
    </>
  );
}
