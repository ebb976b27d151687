/** Places at which a process that reserves or gives back an address can die. */
export const HOST_LOCAL_STEPS = [
  "address.reserve.before-file",
  "address.reserve.after-content",
  "address.reserve.after-file",
  "address.reserve.after-cursor",
  "address.release.before-file",
  "address.release.after-file",
  "address.index.before-mark",
  "address.index.after-mark",
  "address.index.after-pages",
  "address.index.after-header",
] as const;

export type HostLocalStep = (typeof HOST_LOCAL_STEPS)[number];
