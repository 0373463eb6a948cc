/** What an environment's file says about how a rollout goes, resolved: defaults filled in, durations in ms, no paths. */
import type { AgentRef } from './host-order.ts';

/** A number of hosts, absolute or relative. Percent rounds down, but a bound over at least one host is never below 1. */
export type Bound =
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'percent'; readonly percent: number };

export type StratumKey = 'role' | 'machineType' | 'os' | 'zone';

export interface WavePolicy {
  /** Which attributes make a stratum; the canary wave has one host of each. */
  readonly strata: readonly StratumKey[];
  /** Sizes of the waves after the canary, cumulative shares or counts of the hosts that remain to be changed. The last is 100 %. */
  readonly then: readonly Bound[];
  /** Most hosts out of service at once (being changed, failed, or not answering). */
  readonly maxUnavailable: {
    readonly environment: Bound;
    readonly zone: Bound;
    readonly role: Bound;
  };
}

export interface LimitPolicy {
  /** Hosts that may fail to take the version before it is rolled back everywhere. 0: the first failure rolls back. */
  readonly failedHosts: number;
  /** Hosts that may stay out of reach and be left out (listed, exit 5). 0: the first one holds the rollout. */
  readonly unreachableHosts: number;
  /** How long a host may go without a proven outcome before it counts as out of reach, ms. */
  readonly hostDeadlineMs: number;
  /** Pause between attempts at a host that did not answer, ms. */
  readonly retryEveryMs: number;
  /** How long a foreground rollback keeps trying a host before it ends as incomplete, ms. */
  readonly rollbackDeadlineMs: number;
}

export interface GatePolicy {
  readonly name: string;
  /**
   * PromQL giving one series a host. `$hosts` becomes a regular expression over the wave's host label values, `$label` the
   * label's name, `$window` the window (such as `60s`), `$process` the agent's process group, `$matchers` the environment's
   * further matchers with a leading comma, or nothing.
   */
  readonly query: string;
  /** What the number means, such as `cores`, `bytes`, `restarts`. Shown, not computed with. */
  readonly unit: string;
  /** The verdict fails where the value is above (or below) the limit. */
  readonly direction: 'above' | 'below';
  readonly limit: number;
  /** Look-back of the query's own rate, ms: samples before a change plus this window are not the new version's. */
  readonly windowMs: number;
  /** How long the limit must be exceeded without a break before it counts, ms. 0: one sample is enough. */
  readonly forMs: number;
}

export interface FreezeWindow {
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly until: number;
  readonly reason: string;
}

export interface AgentPolicy extends AgentRef {
  /** Name of the agent's process group in process-exporter's series, such as `osqueryd`. */
  readonly process: string;
}

/** How long one attempt at a host may take, by what is asked of it; delivery of the package counts as part of the change, ms. */
export interface StepTimeouts {
  readonly lookMs: number;
  readonly upgradeMs: number;
  readonly revertMs: number;
  readonly proveMs: number;
}

export interface RolloutPolicy {
  readonly agent: AgentPolicy;
  readonly waves: WavePolicy;
  readonly limits: LimitPolicy;
  /** Observed time that each wave must stay healthy, ms. */
  readonly soakMs: number;
  /** Observed time that the environment must stay healthy after its last wave, ms. */
  readonly bakeMs: number;
  /** Distance of two samples of a gate, ms. */
  readonly sampleEveryMs: number;
  /** How far behind now the newest judged sample lies, so that scrapes have arrived, ms. */
  readonly sampleDelayMs: number;
  readonly gates: readonly GatePolicy[];
  /** A person must `approve` before the wave after the canary. */
  readonly approval: 'none' | 'after-canary';
  /** How long the agent must run without a restart before a host counts as proven, ms. */
  readonly proveMs: number;
  /** From the playbook's steps. An attempt that takes longer is `timed-out`: unknown, looked at again. */
  readonly stepTimeouts: StepTimeouts;
}
