/** CNI spec versions, oldest first. */
export const VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export type Version = (typeof VERSIONS)[number];

export const LATEST: Version = "1.1.0";

export function isVersion(text: string): text is Version {
  return VERSIONS.some((known) => known === text);
}

export function isAtLeast(version: Version, least: Version): boolean {
  return VERSIONS.indexOf(version) >= VERSIONS.indexOf(least);
}

/** What VERSION answers, in one line without its end. */
export function versionText(): string {
  return JSON.stringify({ cniVersion: LATEST, supportedVersions: VERSIONS });
}
