/** Icons that the first page does not need. */

import { Drawing, type IconProps } from './icons';

export const CopyIcon = (props: IconProps) => (
  <Drawing {...props}>
    <rect x="5.4" y="5.4" width="8" height="8" rx="1.4" />
    <path d="M10.6 5V4a1.4 1.4 0 0 0-1.4-1.4H4A1.4 1.4 0 0 0 2.6 4v5.2A1.4 1.4 0 0 0 4 10.6h1" />
  </Drawing>
);
export const CheckIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="m3 8.6 3.2 3.2L13 4.6" />
  </Drawing>
);
export const BackIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M9.8 3.4 5.2 8l4.6 4.6" />
  </Drawing>
);
export const CloseIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="m4 4 8 8M12 4l-8 8" />
  </Drawing>
);
export const TrashIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M2.8 4.4h10.4M6.2 4.2V2.6h3.6v1.6M4.2 4.6l.6 8.8h6.4l.6-8.8M6.8 7v4M9.2 7v4" />
  </Drawing>
);
export const PlusIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M8 3v10M3 8h10" />
  </Drawing>
);
export const UndoIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M5.6 3 2.8 5.8l2.8 2.8M3 5.8h6.4a3.6 3.6 0 0 1 0 7.2H6" />
  </Drawing>
);
export const RedoIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="m10.4 3 2.8 2.8-2.8 2.8M13 5.8H6.6a3.6 3.6 0 0 0 0 7.2H10" />
  </Drawing>
);
export const BellIcon = (props: IconProps) => (
  <Drawing {...props}>
    <path d="M3.4 11.400c1-1 1-2.200 1-4.200a3.6 3.6 0 0 1 7.200 0c0 2 0 3.200 1 4.200zM6.6 13.600h2.8" />
  </Drawing>
);
