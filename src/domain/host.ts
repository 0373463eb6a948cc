/**
 * A VM as the inventory knows it. Identity is the instance id alone: names and addresses are reused by clouds, so
 * a VM made anew under an old name is another host.
 */

/** Numeric instance id as a string (GCE ids exceed 2^53). */
export type HostId = string;

/** Life of a VM itself, in GCE's words. Only RUNNING hosts can be changed. */
export const VM_STATUSES = [
  'PROVISIONING',
  'STAGING',
  'RUNNING',
  'STOPPING',
  'SUSPENDING',
  'SUSPENDED',
  'REPAIRING',
  'TERMINATED',
] as const;

export type VmStatus = (typeof VM_STATUSES)[number];

export interface Host {
  readonly id: HostId;
  readonly name: string;
  /** IP address or DNS name that SSH connects to. */
  readonly address: string;
  /** Overrides the environment's SSH port. */
  readonly port?: number;
  readonly zone: string;
  readonly role: string;
  readonly machineType: string;
  /** Operating system family and version, such as `debian-12`; `windows-*` and `cos-*` have no dpkg. */
  readonly os: string;
  readonly status: VmStatus;
  readonly labels: Readonly<Record<string, string>>;
  /** Network tags. */
  readonly tags: readonly string[];
  /** Metadata of the instance that targeting may read, such as `created-by`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** A spot VM may vanish at any time: it is then gone, not failed. */
  readonly spot: boolean;
  /* What follows is absent where the inventory does not tell it. */
  /** Project of the cloud. */
  readonly project?: string;
  /** When the VM was made, ms since the epoch. */
  readonly createdAt?: number;
  /** Name of the network of the first interface, such as `default`. */
  readonly network?: string;
  /** Addresses of the first interface. */
  readonly internalAddress?: string;
  readonly externalAddress?: string;
  /** Licences of the disks by their last word, such as `debian-12-bookworm` or `cos-cloud`. */
  readonly licenses?: readonly string[];
}

/** An operator's exemption that matches a host and has come to its end: the host must have the agent again. */
export interface LapsedExemption {
  /** Such as `exempt[0]`. */
  readonly rule: string;
  readonly reason: string;
  /** Since when it counts no more, ms since the epoch. */
  readonly until: number;
}

/** Why a host is or is not to be changed, with the evidence an auditor can check. */
export type Eligibility =
  | { readonly kind: 'eligible'; readonly lapsed?: LapsedExemption }
  /** Need not have the agent. `rule` names the rule (`built-in:gke-node` or `exempt[0]`), `evidence` what matched. */
  | { readonly kind: 'exempt'; readonly rule: string; readonly reason: string; readonly evidence: string }
  /** A person must say; holds a promotion. */
  | { readonly kind: 'undecided'; readonly evidence: string }
  | { readonly kind: 'not-running'; readonly status: VmStatus }
  /** Cannot carry the package (no dpkg), such as Windows or Container-Optimized OS. `rule` as for the exempt. */
  | { readonly kind: 'unsupported'; readonly rule?: string; readonly evidence: string }
  /** Not of this fleet: the environment's `include` expression does not match it. */
  | { readonly kind: 'excluded'; readonly rule: string };

export interface ClassifiedHost {
  readonly host: Host;
  readonly eligibility: Eligibility;
}
