/**
 * The numbers of the gates that ship with the program: limits, and what makes a difference to other hosts count. builtin-gates.ts has
 * their queries. What they come to over thousands of simulated fleets is measured by bench/false-alarms.ts.
 */
import type { GateComparison, GatePolicy } from './policy.ts';

type GateNumbers = Pick<GatePolicy, 'limit' | 'windowMs' | 'forMs'> &
  Pick<Partial<GatePolicy>, 'compare' | 'weight' | 'failures' | 'minSamples' | 'minCoverage'>;

const MINUTE_MS = 60_000;

/** Of all gates that compare. */
const WITH_CONTROL = {
  with: 'control',
  alpha: 0.005,
  relativeEffect: 0,
  overMs: 20 * MINUTE_MS,
  beforeMs: 60 * MINUTE_MS,
  tooFew: 'abstain',
} as const satisfies Partial<GateComparison>;

/** Cores of the agent's processes together. */
export const AGENT_CPU: GateNumbers = {
  limit: 0.1,
  windowMs: 5 * MINUTE_MS,
  forMs: 15 * MINUTE_MS,
  weight: { kind: 'share', share: 0.3 },
  failures: 3,
  compare: { ...WITH_CONTROL, effect: 0.02 },
};

/** Resident bytes. */
export const AGENT_MEMORY: GateNumbers = {
  limit: 250e6,
  windowMs: 2 * MINUTE_MS,
  forMs: 10 * MINUTE_MS,
  weight: { kind: 'share', share: 0.1 },
  failures: 3,
  compare: { ...WITH_CONTROL, effect: 40e6, relativeEffect: 0.25 },
};

/** Share (0 to 1) of the unit's quota periods in which it was throttled. */
export const AGENT_THROTTLED: GateNumbers = {
  limit: 0.25,
  windowMs: 5 * MINUTE_MS,
  forMs: 15 * MINUTE_MS,
  weight: { kind: 'share', share: 0.3 },
  failures: 3,
  compare: { ...WITH_CONTROL, effect: 0.1 },
};

/** Seconds a second that the host's tasks wait for a CPU, over all its CPUs. */
export const HOST_WAIT: GateNumbers = {
  limit: 1,
  windowMs: 5 * MINUTE_MS,
  forMs: 15 * MINUTE_MS,
  weight: { kind: 'share', share: 0.5 },
  failures: 3,
  compare: { ...WITH_CONTROL, effect: 0.05, relativeEffect: 0.5 },
};
