/** What can be done with one panel. */

import type { Panel } from '../shared/api';
import {
  CodeIcon,
  DownloadIcon,
  EditIcon,
  ExpandIcon,
  ExploreIcon,
  LinkIcon,
  MoreIcon,
  PictureIcon,
} from '../shared/icons';
import { Menu, type MenuItem } from '../shared/menu';
import { routeHref } from '../shell';
import type { PanelSource } from './source';

interface PanelMenuProps {
  readonly board: string;
  readonly panel: Panel;
  readonly edits: boolean;
  readonly feed: PanelSource;
  readonly sql: string | null;
  readonly alone: boolean;
  readonly onAlone: () => void;
  readonly onInspect: () => void;
}

export function PanelMenu({ board, panel, edits, feed, sql, alone, onAlone, onInspect }: PanelMenuProps) {
  const element = () => document.querySelector<HTMLElement>(`.slot[data-panel="${CSS.escape(panel.id)}"] > .panel`);
  const picture = async () => {
    const root = element();
    if (root !== null) {
      await (await import('./export')).downloadPicture(root, panel.id);
    }
  };
  const csv = async () => (await import('./export')).downloadCsv(feed.table, panel.id);
  const copyLink = async () => (await import('./export')).copyLink(panel.id);
  const edit: MenuItem = {
    label: 'Edit',
    icon: <EditIcon size={14} />,
    keys: 'e',
    href: routeHref({ page: 'edit', board, panel: panel.id }),
  };
  const items: (MenuItem | null)[] = [
    {
      label: alone ? 'Back to the board' : 'This panel alone',
      icon: <ExpandIcon size={14} />,
      keys: 'v',
      onSelect: onAlone,
    },
    { label: 'Data, SQL, state', icon: <CodeIcon size={14} />, keys: 'i', onSelect: onInspect },
    ...(edits ? [edit] : []),
    null,
    { label: 'Download CSV', icon: <DownloadIcon size={14} />, onSelect: csv },
    { label: 'Download picture', icon: <PictureIcon size={14} />, onSelect: picture },
    { label: 'Copy link', icon: <LinkIcon size={14} />, onSelect: copyLink },
  ];
  if (sql !== null) {
    items.push(null, {
      label: 'Explore its query',
      icon: <ExploreIcon size={14} />,
      href: routeHref({ page: 'explore', sql }),
    });
  }
  return (
    <Menu
      label={`Menu of ${panel.title}`}
      button={<MoreIcon size={15} />}
      className="icon-button panel-menu"
      items={items}
    />
  );
}
