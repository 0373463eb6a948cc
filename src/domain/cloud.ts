/** How an environment's part of Google Cloud is named, resolved from its file. Secrets are named here, never held. */

/** Whose rights are used. Both absent: the Application Default Credentials of whoever runs the program. */
export interface GoogleCredentials {
  /** Key file of a service account, absolute path. */
  readonly keyFile?: string;
  /** E-mail address of a service account to act as, by way of the credentials at hand. */
  readonly impersonate?: string;
}

export interface GceInventorySettings {
  readonly kind: 'gce';
  /** Never empty. */
  readonly projects: readonly string[];
  /** Only these zones; absent: all. */
  readonly zones?: readonly string[];
  /** Compute Engine's own list filter. */
  readonly filter?: string;
  /** Label whose value is the role; a VM without it has the role `none`. */
  readonly roleLabel: string;
  /** Template of what SSH connects to; `{internal}`, `{external}`, `{name}`, `{id}`, `{zone}`, `{project}`. */
  readonly address: string;
  /** Take host keys from guest attributes, before known_hosts. */
  readonly publishedHostKeys: boolean;
  /** Have every host compare its instance id, as its metadata server tells it, with the one that is meant. */
  readonly instanceCheck: boolean;
  readonly credentials: GoogleCredentials;
}

/** A folder in a bucket. */
export interface GcsPlace {
  readonly kind: 'gcs';
  readonly bucket: string;
  /** Without slashes at its ends; empty: the bucket's root. */
  readonly prefix: string;
  /** Project that pays for requests, where the bucket asks for one. */
  readonly project?: string;
  readonly credentials: GoogleCredentials;
}

/** How a host gets a package out of the bucket. */
export type Delivery =
  /** By a v4 signed URL of short life. */
  | 'signed-url'
  /** By itself, as the service account of its VM. */
  | 'service-account'
  /** From the machine that runs the command, over SSH. */
  | 'sftp';

export interface GcsArtifacts extends GcsPlace {
  /** Base URL at which hosts reach the bucket; absent: Google's own. */
  readonly fetchFrom?: string;
  readonly delivery: Delivery;
}
