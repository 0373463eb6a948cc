/**
 * The numbers of the gates that ship with the program: limits, and what makes a difference to other hosts count. builtin-gates.ts has
 * their queries. bench/false-alarms.ts measures what they come to; the figures here are of it, and the table is in the README.
 *
 * A rollout is looked at some 1,600 times (five soaks of 30 min and a bake of a day, every minute), and neighbouring looks see nearly the
 * same numbers. No level of significance of one look could carry that alone, so three things share the work:
 *
 * B1  The floor keeps good versions in peace. What is compared is one number a host, its median of 20 min less its own hour before. Of
 *     simulated hosts at 0.02 of a core on ordinary days that moves by 0.005 (standard deviation) and beyond 0.025 for 3 of 1,488: several
 *     hosts of a role do so together only where something makes them. The first 10 min behind a change are left out: a start reads its
 *     tables and runs its whole schedule at once.
 * B2  The level keeps single hosts out. One changed host that is busier than all of 30 control hosts comes to 1/31 = 0.032 at best: below
 *     that one neighbour proves nothing, nor does it among the pooled hosts of k roles, 1/(30k + 1) against alpha/k. Two changed hosts
 *     beside seven come to 1/36 = 0.028 and can tell, which a fleet of ten needs. Between the two lies 0.03. Far less costs misses: at
 *     0.005, 22 of 36 versions that were bad in one role only passed in fleets of 30, at 0.02 it were 15, with no false alarm on 86
 *     ordinary days either way.
 * B3  The limit is for what nobody is left to be compared with: in the bake it must be exceeded for 20 min by half of all hosts, or by two
 *     hosts and half of a role. Bursts of neighbours last minutes to an hour on one host; what leaks or burns does so everywhere.
 *
 * Measured on fleets that nothing was chosen on (10 to 1,200 hosts, 1,542 good and 1,542 bad versions): 69 good ones rolled back where the
 * fixed threshold rolled back 952, and 77 bad ones passed where it let 95 pass. What remains: a site-wide rise that triples the load for
 * hours in the bake looks like a burning version, since no host is left to excuse it; a neighbour's burst on the only canary of a fleet of
 * one kind; and a version that is bad only in a role of one or two hosts, below the limit, is not told from those hosts' own noise. There
 * the fixed threshold misses fewer (42 of 257 beside 76).
 */
import type { GateComparison, GatePolicy } from './policy.ts';

type GateNumbers = Pick<GatePolicy, 'limit' | 'windowMs' | 'forMs'> &
  Pick<Partial<GatePolicy>, 'compare' | 'weight' | 'failures' | 'minSamples' | 'minCoverage'>;

const MINUTE_MS = 60_000;

/** B1, B2. */
const WITH_CONTROL = {
  with: 'control',
  alpha: 0.03,
  relativeEffect: 0,
  overMs: 20 * MINUTE_MS,
  beforeMs: 60 * MINUTE_MS,
  settleMs: 10 * MINUTE_MS,
  tooFew: 'abstain',
} as const satisfies Partial<GateComparison>;

/** B3. Three looks in a row, so that no single answer decides. */
const LASTING = {
  windowMs: 5 * MINUTE_MS,
  forMs: 20 * MINUTE_MS,
  weight: { kind: 'share', share: 0.5 },
  failures: 3,
} as const satisfies Partial<GateNumbers>;

/**
 * Cores of the agent's processes together. 0.025: whoever adds 3 points of a core is found, and B1 holds. Half of control: on a busy day a
 * role that works twice as much as the others rises by twice as much.
 */
export const AGENT_CPU: GateNumbers = {
  ...LASTING,
  limit: 0.1,
  compare: { ...WITH_CONTROL, effect: 0.025, relativeEffect: 0.5 },
};

/** Resident bytes. Hosts differ by their tables; a quarter more than control, and 40 MB, is no table. */
export const AGENT_MEMORY: GateNumbers = {
  ...LASTING,
  limit: 250e6,
  windowMs: 2 * MINUTE_MS,
  compare: { ...WITH_CONTROL, effect: 40e6, relativeEffect: 0.25 },
};

/**
 * Share (0 to 1) of the time's quota periods in which the unit was throttled. It moves with CPU: at 0.1 of a core under the stock quota
 * of 0.2 a bursty agent is throttled for nearly half of the time, one that wants more than it gets for all of it.
 * The probe asks no time before (engine/probe-hosts.ts), so hosts are compared by their levels, within their kind. 0.5 is therefore more
 * than hosts of one kind differ by: at 0.3 and with every seventh host throttled for half of its time, 5 of 144 good versions were rolled
 * back. What hides under a quota is throttled for nearly all of the time, and what does not is `agent-cpu`'s to find.
 */
export const AGENT_THROTTLED: GateNumbers = {
  ...LASTING,
  limit: 0.8,
  compare: { ...WITH_CONTROL, effect: 0.5 },
};

/**
 * Seconds a second and core that the host's tasks wait for a core. It grows faster than load does: the floor is twice control on top of it.
 * What one role's hosts wait is mostly their own load, so without control hosts the median host of all must be over the limit.
 */
export const HOST_WAIT: GateNumbers = {
  ...LASTING,
  limit: 2,
  weight: { kind: 'quantile', quantile: 0.5 },
  compare: { ...WITH_CONTROL, effect: 1, relativeEffect: 2 },
};

/**
 * Alerts that fire for a host. One host's alert is a day like any other: in a fleet of 1,000 the alert OSQueryHighCPU goes off about
 * twice a day. The alert's own `for` comes on top. 0.5 of an alert is between none and one: half of the changed hosts must have one more
 * than control hosts have. What makes alerts go off everywhere, such as a site-wide load, is waited through.
 */
export const AGENT_ALERTS: GateNumbers = {
  ...LASTING,
  limit: 0,
  windowMs: 2 * MINUTE_MS,
  compare: { ...WITH_CONTROL, effect: 0.5 },
};
