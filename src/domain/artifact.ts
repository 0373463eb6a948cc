/** Releases and the packages they are made of. A digest is always lower-case hex sha256. */

export type Sha256 = string;

/** A Debian architecture name, such as `amd64`. */
export type Architecture = string;

/** What the package itself says of itself, read out of the `.deb`. */
export interface PackageControl {
  readonly package: string;
  /** Full Debian version, `[epoch:]upstream[-revision]`, such as `5.10.2-1.linux`. */
  readonly version: string;
  readonly architecture: Architecture;
  /** KiB, as dpkg's Installed-Size; absent where the package does not say. */
  readonly installedSizeKib?: number;
}

/** The agent's binary inside the package: what a running process is compared with. */
export interface PackagedExecutable {
  /** Absolute path on the host after following the package's own symlinks, such as `/opt/osquery/bin/osqueryd`. */
  readonly path: string;
  readonly sha256: Sha256;
  /** Bytes. */
  readonly size: number;
}

/** One staged `.deb` of one environment. Immutable once published. */
export interface Artifact {
  readonly environment: string;
  /** The release's version as the engineer says it, such as `5.10.2`. */
  readonly version: string;
  readonly architecture: Architecture;
  readonly sha256: Sha256;
  /** Bytes. */
  readonly size: number;
  /** The store's own pin on the stored bytes; GCS generation, or `local` for a folder. */
  readonly generation: string;
  readonly control: PackageControl;
  readonly executable: PackagedExecutable;
  readonly originalFileName: string;
  /** Milliseconds since the epoch. */
  readonly stagedAt: number;
  readonly stagedBy: string;
}

/** One version in one environment: an artifact for each architecture staged. */
export interface Release {
  readonly version: string;
  readonly artifacts: Readonly<Record<Architecture, Artifact>>;
}

/** What reading a `.deb` from end to end yields: everything about it that does not depend on where it will be stored. */
export interface DebFacts {
  readonly sha256: Sha256;
  /** Bytes of the whole file. */
  readonly size: number;
  readonly control: PackageControl;
  readonly executable: PackagedExecutable;
}

/** Only an architecture that is really there: `constructor`, as a host may call its own, is in every object. */
export function artifactFor(
  artifacts: Readonly<Record<Architecture, Artifact>>,
  architecture: Architecture,
): Artifact | undefined {
  return Object.hasOwn(artifacts, architecture) ? artifacts[architecture] : undefined;
}
