/** The head of every page: what it is, what can be done with it, the instant shown, how the link is. */

import { type ReactNode, Suspense } from 'react';
import { Bell } from '../alerts';
import { isShare } from '../shared/pass';
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
      <div className="top-bar-title">
        <h1>{title}</h1>
        <div>{context}</div>
      </div>
      <div className="top-bar-right">
        {children}
        {isShare ? null : (
          <Suspense fallback={<span className="icon-button" />}>
            <Bell />
          </Suspense>
        )}
        {play === undefined ? null : (
          <>
            <Instant zone={zone} play={play} />
            <PlayButton {...play} />
          </>
        )}
        <LinkPill zone={zone} />
      </div>
    </header>
  );
}
