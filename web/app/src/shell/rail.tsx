/** The icon rail at the left; on a phone the bar at the bottom. */

import type { ComponentType } from 'react';
import { BoardsIcon, ExploreIcon, KeyboardIcon, Logo, StreamsIcon } from '../shared/icons';
import { DEFAULT_BOARD, type Route, routeHref } from './route';

interface Place {
  readonly label: string;
  readonly icon: ComponentType<{ size?: number }>;
  readonly route: Route;
  readonly pages: readonly Route['page'][];
}

const PLACES: readonly Place[] = [
  { label: 'Board', icon: BoardsIcon, route: { page: 'board', board: DEFAULT_BOARD }, pages: ['board'] },
  { label: 'Streams', icon: StreamsIcon, route: { page: 'streams' }, pages: ['streams', 'stream'] },
  { label: 'Explore', icon: ExploreIcon, route: { page: 'explore', sql: null }, pages: ['explore'] },
];

export function Rail({ page, showHelp }: { readonly page: Route['page']; readonly showHelp: () => void }) {
  return (
    <nav className="rail" aria-label="Pages">
      <a href={routeHref({ page: 'board', board: DEFAULT_BOARD })} className="rail-logo" aria-label="Pulseboard">
        <Logo />
      </a>
      {PLACES.map(({ label, icon: Icon, route, pages }) => (
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
      <button type="button" className="rail-item rail-help" onClick={showHelp} aria-label="Keys" title="Keys (?)">
        <KeyboardIcon size={17} />
      </button>
    </nav>
  );
}
