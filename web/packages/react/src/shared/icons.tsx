/** The few signs that the components need, drawn in the colour of their text. */

interface IconProps {
  readonly size?: number;
}

function Icon({ size = 14, path }: IconProps & { readonly path: string }) {
  return (
    <svg
      className="pb-icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={path} />
    </svg>
  );
}

export const ClockIcon = (props: IconProps) => (
  <Icon {...props} path="M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm0 3v3l2 1.5" />
);
export const WarningIcon = (props: IconProps) => <Icon {...props} path="M8 2.5 14.5 13.5h-13ZM8 6.5v3M8 11.6v.1" />;
export const OfflineIcon = (props: IconProps) => (
  <Icon
    {...props}
    path="M2 6a9 9 0 0 1 3-1.8M8 3.6c2.3 0 4.4.9 6 2.4M4.5 8.8A5 5 0 0 1 6.5 7.7M9.6 7.7a5 5 0 0 1 1.9 1.1M8 12.4v.1M2.5 2.5l11 11"
  />
);
export const UpIcon = (props: IconProps) => <Icon {...props} path="m4 9.5 4-4 4 4" />;
export const DownIcon = (props: IconProps) => <Icon {...props} path="m4 6.5 4 4 4-4" />;
export const StableIcon = (props: IconProps) => <Icon {...props} path="M4 8h8" />;
export const InfoIcon = (props: IconProps) => (
  <Icon {...props} path="M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm0 5v4M8 4.9v.1" />
);
export const CheckIcon = (props: IconProps) => <Icon {...props} path="m3.5 8.5 3 3 6-7" />;
export const CriticalIcon = (props: IconProps) => (
  <Icon {...props} path="M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5ZM8 5v3.5M8 11v.1" />
);
