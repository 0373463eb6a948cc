/**
 * What the journal keeps of the fleet itself: who was there, with which address, must it have the agent, what ran. Written as
 * changes, so that an unchanged fleet of 10,000 costs nothing; `fleet --at` and `whois --at` fold them up to a time.
 */
import type { Eligibility, HostId, VmStatus } from './host.ts';

/** What was seen of the agent on a host, by looking there. */
export type AgentSeen =
  /** Nobody looked, or it did not answer. */
  | { readonly kind: 'unseen'; readonly why: string }
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'installed';
      /** Full Debian version as dpkg has it. */
      readonly packageVersion: string;
      /** systemd's ActiveState; `running` only by a process that was seen. */
      readonly service: string;
      /** sha256 of what runs; empty when nothing does. */
      readonly runningSha256: string;
      /** What keeps it as it is on the host itself, such as `dpkg hold` or `unit masked`; empty: nothing. */
      readonly hold: string;
    };

export interface SeenHost {
  readonly id: HostId;
  readonly name: string;
  readonly project?: string;
  readonly zone: string;
  readonly role: string;
  readonly machineType: string;
  readonly os: string;
  readonly status: VmStatus;
  readonly spot: boolean;
  readonly createdAt?: number;
  /** What SSH connects to, and the VM's other addresses; each once. */
  readonly addresses: readonly string[];
  readonly eligibility: Eligibility;
  readonly agent: AgentSeen;
}
