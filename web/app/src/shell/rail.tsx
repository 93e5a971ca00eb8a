/** The icon rail at the left; on a phone the bar at the bottom. */

import type { ComponentType } from 'react';
import { BoardsIcon, ExploreIcon, KeyboardIcon, Logo, StreamsIcon } from '../shared/icons';
import { mayAsk } from '../shared/rights';
import { useSession } from '../shared/session';
import { type Route, routeHref } from './route';
import { SettingsMenu } from './settingsMenu';

interface Place {
  readonly label: string;
  readonly icon: ComponentType<{ size?: number }>;
  readonly route: Route;
  readonly pages: readonly Route['page'][];
}

const PLACES: readonly Place[] = [
  { label: 'Home', icon: BoardsIcon, route: { page: 'home' }, pages: ['home', 'board', 'edit'] },
  { label: 'Streams', icon: StreamsIcon, route: { page: 'streams' }, pages: ['streams', 'stream'] },
  { label: 'Explore', icon: ExploreIcon, route: { page: 'explore', sql: null }, pages: ['explore'] },
];

export function Rail({ page, showHelp }: { readonly page: Route['page']; readonly showHelp: () => void }) {
  const asks = mayAsk(useSession());
  return (
    <nav className="rail" aria-label="Pages">
      <a href={routeHref({ page: 'home' })} className="rail-logo" aria-label="Pulseboard">
        <Logo />
      </a>
      {PLACES.filter(({ label }) => label !== 'Explore' || asks).map(({ label, icon: Icon, route, pages }) => (
        <a
          key={label}
          href={routeHref(route)}
          className="rail-item"
          aria-label={label}
          title={label}
          aria-current={pages.includes(page) ? 'page' : undefined}
        >
          <Icon size={17} />
        </a>
      ))}
      <span className="rail-space" />
      <SettingsMenu />
      <button type="button" className="rail-item rail-help" onClick={showHelp} aria-label="Keys" title="Keys (?)">
        <KeyboardIcon size={17} />
      </button>
    </nav>
  );
}
