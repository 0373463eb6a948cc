/** A rollout's plan: which host in which wave, and why the others are in none. */
import type { Architecture, Artifact } from './artifact.ts';
import type { Eligibility, HostId } from './host.ts';

/** What a host ran when it was surveyed; the way back leads there. */
export interface InstalledAgent {
  /** Full Debian version as dpkg has it. */
  readonly packageVersion: string;
  readonly architecture: Architecture;
  /** The staged artifact with that version, if the store has it: without it there is no way back. */
  readonly artifact?: Artifact;
}

export interface PlannedHost {
  readonly id: HostId;
  readonly name: string;
  readonly address: string;
  readonly port?: number;
  readonly zone: string;
  readonly project?: string;
  readonly role: string;
  readonly stratum: string;
  readonly architecture: Architecture;
  readonly from: InstalledAgent;
}

export interface PlannedWave {
  /** 0 is the canary wave. */
  readonly index: number;
  readonly hosts: readonly PlannedHost[];
}

/** Why a host of the inventory is in no wave. */
export type NotPlanned =
  | Exclude<Eligibility, { kind: 'eligible' }>
  /** Eligible, but has no agent to upgrade. */
  | { readonly kind: 'agent-absent' }
  | { readonly kind: 'already-there'; readonly packageVersion: string }
  | { readonly kind: 'unreachable'; readonly why: string }
  /** Must have the agent, and says itself that it cannot carry it now: no dpkg, or a systemd that does not answer. */
  | { readonly kind: 'incapable'; readonly evidence: string }
  /** Came into the fleet when no wave could take it any more: it keeps what it runs, and that is not the version. */
  | { readonly kind: 'born-late' }
  /** Came since the plan, with an architecture whose package no host before it has taken. */
  | { readonly kind: 'unproven-build'; readonly architecture: Architecture }
  | { readonly kind: 'no-artifact'; readonly architecture: Architecture }
  | {
      readonly kind: 'no-way-back';
      readonly packageVersion: string;
      readonly architecture: Architecture;
      /** Different packages of that very version are staged: nobody knows which one it had. */
      readonly twice?: true;
    };

export interface LeftOutHost {
  readonly id: HostId;
  readonly name: string;
  readonly zone: string;
  readonly role: string;
  readonly why: NotPlanned;
}

/** How many eligible hosts there are: what percentages of unavailability are of. */
export interface Population {
  readonly environment: number;
  readonly byZone: Readonly<Record<string, number>>;
  readonly byRole: Readonly<Record<string, number>>;
}

export interface Plan {
  readonly population: Population;
  readonly waves: readonly PlannedWave[];
  readonly leftOut: readonly LeftOutHost[];
  /** Of a canary: hosts that stay as they are and that the canaries are compared with; absent: the later waves serve. */
  readonly controls?: readonly PlannedHost[];
}
