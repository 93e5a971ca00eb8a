/** The head of every page: what it is, the instant shown, how the link is. */

import type { ReactNode } from 'react';
import { Instant, type Play, PlayButton } from './instant';
import { LinkPill } from './linkPill';

interface TopBarProps {
  readonly title: ReactNode;
  readonly context?: ReactNode;
  readonly zone?: string | undefined;
  /** Pages that show one instant can stand still. */
  readonly play?: Play;
  readonly children?: ReactNode;
}

export function TopBar({ title, context, zone, play, children }: TopBarProps) {
  return (
    <header className="top-bar">
      <div className="min-w-0">
        <h1 className="truncate text-[15.5px] leading-[22px] font-[640] tracking-[-0.01em]">{title}</h1>
        <div className="truncate text-[12.5px] leading-[18px] text-t2">{context}</div>
      </div>
      <div className="top-bar-right">
        {children}
        {play === undefined ? null : (
          <>
            <Instant zone={zone} />
            <PlayButton {...play} />
          </>
        )}
        <LinkPill zone={zone} />
      </div>
    </header>
  );
}
