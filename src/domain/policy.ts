/** What an environment's file says about how a rollout goes, resolved: defaults filled in, durations in ms, no paths. */
import type { AgentRef } from './host-order.ts';
import type { PacingPolicy } from './pacing.ts';

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
   * label's name, `$window` the window (such as `60s`), `$process` the agent's process group, `$environment` the environment's name,
   * `$matchers` its further matchers with a leading comma, or nothing. Empty where another source gives the numbers.
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
  /** Where the numbers come from; absent: the query, of Prometheus. */
  readonly source?: GateSource;
  /** Fewest numbers that a host must have given in the span that is judged, or in `forMs` or `overMs` before its end where that is longer; absent: 1. */
  readonly minSamples?: number;
  /** Share (0 to 1) of the steps of that time at which a host must have given a number; absent: 0. */
  readonly minCoverage?: number;
  /** What the hosts are compared with besides the limit; absent: nothing. */
  readonly compare?: GateComparison;
  /** How many hosts beyond the limit make it fail; absent: any. */
  readonly weight?: GateWeight;
  /** Evaluations in a row that must fail before the verdict is fail; absent: 1. */
  readonly failures?: number;
  /** Hosts without a number: hold (inconclusive), count as beyond the limit, or leave the verdict to the other gates. Absent: hold. */
  readonly noData?: 'hold' | 'fail' | 'abstain';
  /** The backend fails: hold, or leave the verdict to the other gates. Absent: hold. Never a fail. */
  readonly backendErrors?: 'hold' | 'abstain';
}

export type GateSource =
  /** A reading of the program `probe` on the host itself (probe.ts). */
  | { readonly kind: 'probe'; readonly reading: string }
  /** Another witness, by its name in the environment's file. */
  | { readonly kind: 'witness'; readonly witness: string };

/** A comparison fails only where it is both significant and large enough. */
export interface GateComparison {
  /**
   * `control`: hosts of the same stratum that are not changed yet, at the same time, each as the difference from its own time before
   * where there is one. `before`: the same hosts before the change.
   */
  readonly with: 'control' | 'before';
  /** Smallest difference that matters, in the gate's unit. */
  readonly effect: number;
  /** The same as a share of the control's median (0.25: a quarter more); the larger of the two counts. 0: only `effect`. */
  readonly relativeEffect: number;
  /** Level of significance of one evaluation, over all strata together. */
  readonly alpha: number;
  /** Over how long the numbers of each host are summed up to one, before the change and after it, ms. */
  readonly overMs: number;
  readonly beforeMs: number;
  /** How long a host's numbers behind its change are the start's own work and are not compared, ms; absent: not at all. */
  readonly settleMs?: number;
  /** Too few hosts to tell: hold, or let the gate's own limit decide. The comparison has not passed then, and the verdict says so. */
  readonly tooFew: 'hold' | 'abstain';
}

export type GateWeight =
  /** One host is enough. */
  | { readonly kind: 'any' }
  /** More than this share (0 to 1) of the hosts, or two hosts and more than this share of the hosts of any stratum. */
  | { readonly kind: 'share'; readonly share: number }
  /** The host at this quantile (0 to 1) of the hosts, such as 0.5 for the median. */
  | { readonly kind: 'quantile'; readonly quantile: number };

/** The way back that a host has by itself while nobody has confirmed the version there. */
export interface ArmedRevertPolicy {
  /** How long after it was armed, or last told to wait on, the host goes back by itself, ms. */
  readonly afterMs: number;
  /** With what it is called off: the proof on the host itself, or the verdict over its wave. */
  readonly disarm: 'after-proof' | 'after-soak';
  /** Held by the unit until then; absent: nothing. */
  readonly guard?: { readonly cpuQuotaPercent?: number; readonly memoryMaxBytes?: number };
}

/** A time in which nothing new begins. */
export interface FreezeWindow {
  /** Why status says that it waits; absent: `frozen`. */
  readonly code?: 'frozen' | 'outside-window';
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly until: number;
  readonly reason: string;
}

export interface AgentPolicy extends AgentRef {
  /** Name of the agent's process group in process-exporter's series, such as `osqueryd`. */
  readonly process: string;
  /** Where it keeps its database, absolute; absent: where osquery's package has it. */
  readonly database?: string;
  /** File that grows while it writes results, absolute; absent: where osquery's package has it. */
  readonly resultsLog?: string;
}

/** As osquery's package has them since 5.0. */
export const DATABASE_PATH = '/var/osquery/osquery.db';
export const RESULTS_LOG_PATH = '/var/log/osquery/osqueryd.results.log';

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
  /** Absent: anybody may. */
  readonly approvedBy?: 'anybody' | 'second-person';
  /** Absent: starts are bounded by the waves alone. */
  readonly pacing?: PacingPolicy & {
    /** Agents that the server has in all; absent: the environment's eligible hosts. */
    readonly agents?: number;
  };
  /** Absent in journals of programs that armed nothing. */
  readonly armedRevert?: ArmedRevertPolicy;
  /** The agent's database on the way back, where the older version cannot read it: leave it, or move it aside. Absent: keep. */
  readonly database?: 'keep' | 'move-aside';
  /** Failing evaluations of the metrics backend in a row that are borne before the rollout counts as held; absent: 0. */
  readonly consecutiveErrors?: number;
  /** From the playbook's steps. An attempt that takes longer is `timed-out`: unknown, looked at again. */
  readonly stepTimeouts: StepTimeouts;
}
