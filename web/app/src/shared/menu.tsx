/** A menu at a button: entries with their keys at the right, moved through with the arrow keys. */

import type { KeyboardEvent, ReactNode } from 'react';
import { Popover } from './popover';

export interface MenuItem {
  readonly label: string;
  readonly icon?: ReactNode;
  /** The key that does the same, as it is shown. */
  readonly keys?: string;
  /** Follows a link, or does something. */
  readonly href?: string;
  readonly onSelect?: () => void;
  readonly disabled?: boolean;
}

interface MenuProps {
  readonly label: string;
  readonly button: ReactNode;
  readonly className?: string;
  readonly items: readonly (MenuItem | null)[];
}

/** `null` among the items is a line between groups. */
export function Menu({ label, button, className = 'icon-button', items }: MenuProps) {
  return (
    <Popover label={label} button={button} className={className} kind="menu" surfaceClass="menu">
      {(close) =>
        items.map((item, index) =>
          item === null ? (
            // biome-ignore lint/suspicious/noArrayIndexKey: a line has nothing else to be told by
            <hr key={index} className="menu-line" />
          ) : (
            <Entry key={item.label} item={item} close={close} />
          ),
        )
      }
    </Popover>
  );
}

function Entry({ item, close }: { readonly item: MenuItem; readonly close: () => void }) {
  const { label, icon, keys, href, onSelect, disabled } = item;
  const content = (
    <>
      <span className="menu-icon">{icon}</span>
      <span className="flex-1">{label}</span>
      {keys === undefined ? null : <kbd>{keys}</kbd>}
    </>
  );
  if (href !== undefined) {
    return (
      <a role="menuitem" className="menu-item" href={href} onClick={close} onKeyDown={move} tabIndex={-1}>
        {content}
      </a>
    );
  }
  const select = () => {
    close();
    onSelect?.();
  };
  return (
    <button
      type="button"
      role="menuitem"
      className="menu-item"
      disabled={disabled}
      onClick={select}
      onKeyDown={move}
      tabIndex={-1}
    >
      {content}
    </button>
  );
}

function move(event: KeyboardEvent<HTMLElement>): void {
  const entries = [
    ...(event.currentTarget.parentElement?.querySelectorAll<HTMLElement>('[role=menuitem]:not(:disabled)') ?? []),
  ];
  const at = entries.indexOf(event.currentTarget);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
  if (next !== undefined) {
    event.preventDefault();
    entries.at(next % entries.length)?.focus();
  }
}
