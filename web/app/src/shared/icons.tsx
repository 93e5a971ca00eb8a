/** The icons, drawn on a 16 px grid with one line weight. They take the colour of the text around them. */

import type { ReactNode } from 'react';

export interface IconProps {
  readonly size?: number;
}

export function Drawing({ size = 16, children }: IconProps & { readonly children: ReactNode }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className="shrink-0"
    >
      {children}
    </svg>
  );
}

export const BoardsIcon = (props: IconProps) => (
  <Drawing {...props}>
    <rect x="2.2" y="2.2" width="4.6" height="4.6" rx="1" />
    <rect x="9.2" y="2.2" width="4.6" height="4.6" rx="1" />
    <rect x="2.2" y="9.2" width="4.6" height="4.6" rx="1" />
    <rect x="9.2" y="9.2" width="4.6" height="4.6" rx="1" />
  </Drawing>
);

export const StreamsIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M1.8 4.6q2-1.6 4.1 0t4.1 0 4.1 0M1.8 8.3q2-1.6 4.1 0t4.1 0 4.1 0M1.8 12q2-1.6 4.1 0t4.1 0 4.1 0" />
  </Drawing>
);

export const ExploreIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="m2.2 3.8 4 4-4 4M8 12.6h5.8" />
  </Drawing>
);
export const ClockIcon = (props: IconProps) => (
  <Drawing {...props}>
    <circle cx="8" cy="8" r="6" />
    <path d="M8 4.6V8l2.3 1.5" />
  </Drawing>
);
export const WarningIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M8 2.2 14.4 13.4H1.6zM8 6.4v3.2M8 11.5v.1" />
  </Drawing>
);
export const HourglassIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M4 2h8M4 14h8M4.8 2v2.3L8 8l3.2-3.7V2M4.8 14v-2.3L8 8l3.2 3.7V14" />
  </Drawing>
);
export const PauseIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M5.4 3.4v9.2M10.6 3.4v9.2" strokeWidth="2" />
  </Drawing>
);
export const PlayIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M5 3.2 12.4 8 5 12.8z" fill="currentColor" />
  </Drawing>
);
export const KeyboardIcon = (props: IconProps) => (
  <Drawing {...props}>
    <rect x="1.6" y="3.8" width="12.8" height="8.4" rx="1.6" />
    <path d="M4.4 6.6h.1M7 6.6h.1M9.6 6.6h.1M11.6 6.6h.1M5 9.6h6" />
  </Drawing>
);
export const OfflineIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M2 2l12 12M4.8 7.4a5 5 0 0 1 1.4-.9M8 5.9a5 5 0 0 1 3.4 1.5M2.6 5.2a8 8 0 0 1 1.8-1.1M7 3.2a8.3 8.3 0 0 1 6.5 2M6.7 9.700a2.2 2.2 0 0 1 2.6 0M8 12.300v.1" />
  </Drawing>
);

export const MoreIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M3.4 8h.1M8 8h.1M12.6 8h.1" strokeWidth="2.2" />
  </Drawing>
);
export const ExpandIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M9.6 2.600h3.800v3.800M13.4 2.6 9.2 6.800M6.4 13.400H2.600V9.600M2.6 13.400l4.2-4.2" />
  </Drawing>
);
export const CodeIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M5.2 4.4 1.8 8l3.4 3.600M10.8 4.4 14.2 8l-3.4 3.6" />
  </Drawing>
);
export const DownloadIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M8 2.400v7.200M4.9 6.8 8 9.800l3.1-3M2.8 13.200h10.4" />
  </Drawing>
);
export const PictureIcon = (props: IconProps) => (
  <Drawing {...props}>
    <rect x="2" y="3" width="12" height="10" rx="1.6" />
    <path d="m2.4 11.4 3.4-3.6 2.6 2.6 2-1.8 3.2 3M10.6 6h.1" />
  </Drawing>
);
export const LinkIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M6.8 9.200a2.6 2.6 0 0 0 3.7 0l2.2-2.200a2.6 2.6 0 0 0-3.7-3.700l-.9.9M9.2 6.800a2.6 2.6 0 0 0-3.7 0L3.3 9a2.6 2.6 0 0 0 3.7 3.700l.9-.9" />
  </Drawing>
);
export const KioskIcon = (props: IconProps) => (
  <Drawing {...props}>
    <rect x="1.8" y="2.8" width="12.4" height="8.2" rx="1.4" />
    <path d="M5.4 13.600h5.200M8 11v2.6" />
  </Drawing>
);
export const SettingsIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M2 4.600h6.400M12.2 4.600H14M2 11.400h1.800M7.6 11.400H14" />
    <circle cx="10.3" cy="4.6" r="1.8" />
    <circle cx="5.7" cy="11.4" r="1.8" />
  </Drawing>
);

export const EditIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M10.8 2.8 13.2 5.2 5.6 12.8 2.6 13.4 3.2 10.4zM9.2 4.4l2.4 2.4" />
  </Drawing>
);

export function Logo() {
  return (
    <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path
        d="M6 17h4.2l3-8.5 4.6 15 3-9.5 1.6 3H26"
        fill="none"
        stroke="#fff"
        strokeWidth="2.4"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
