/** Which fleets, days and versions are rehearsed, and under which of two rules: the program's default gates, or one fixed threshold. */
import { BUILTIN_GATES } from '../../src/domain/builtin-gates.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';
import type { RehearsedGate } from './rehearsal.ts';
import { Seeded } from './seeded.ts';
import { type DayKind, type HostDay, someDay } from './some-day.ts';
import { type SomeFleet, someFleet } from './some-fleet.ts';
import { type SomeVersion, USUAL_START } from './some-version.ts';

/** A good version must pass, a bad one must be rolled back. */
export const SCENARIOS = {
  'ordinary day': 'good',
  'site-wide load': 'good',
  'one noisy neighbour': 'good',
  'morning rise during the waves': 'good',
  'trouble in one zone': 'good',
  'busy first minutes, harmless': 'good',
  '3 points of a core more': 'bad',
  '8 points of a core more': 'bad',
  '6 points more in one role': 'bad',
  'leaks after some hours': 'bad',
  'burns after some hours': 'bad',
  'throttled by its CPUQuota': 'bad',
} as const satisfies Record<string, 'good' | 'bad'>;

export type Scenario = keyof typeof SCENARIOS;

/** Hosts of a fleet, and its roles: from few to many. */
export const SIZES = [
  { hosts: 10, roles: [1, 5] },
  { hosts: 30, roles: [3, 8] },
  { hosts: 100, roles: [5, 12] },
  { hosts: 300, roles: [8, 16] },
  { hosts: 1_200, roles: [12, 20] },
] as const;

export interface Trial {
  readonly fleet: SomeFleet;
  readonly day: readonly HostDay[];
  readonly version: SomeVersion;
}

export function trialOf(scenario: Scenario, size: (typeof SIZES)[number], seed: number): Trial {
  const random = new Seeded(seed);
  const fleet = someFleet(random, size.hosts, random.whole(size.roles[0], size.roles[1]));
  const day = dayOf(random, scenario);
  const version = versionOf(random, scenario, fleet);
  return { fleet, day: someDay(random, fleet, day), version };
}

function dayOf(random: Seeded, scenario: Scenario): DayKind {
  const usual = { hour: random.between(8, 17), diurnal: random.between(0.1, 0.5) };
  switch (scenario) {
    case 'site-wide load': {
      const site = {
        begin: random.whole(0, 8 * 60),
        minutes: random.whole(30, 240),
        factor: random.between(1.5, 3),
      };
      return { ...usual, site };
    }
    case 'one noisy neighbour': {
      const neighbour = {
        begin: random.whole(0, 40),
        minutes: random.whole(15, 60),
        cores: random.between(0.05, 0.2),
      };
      return { ...usual, neighbour };
    }
    case 'morning rise during the waves':
      return { hour: random.between(5, 8), diurnal: random.between(0.5, 0.8) };
    case 'trouble in one zone': {
      const zone = {
        begin: random.whole(0, 8 * 60),
        minutes: random.whole(30, 240),
        factor: random.between(1.5, 3.5),
      };
      return { ...usual, zone };
    }
    default:
      return usual;
  }
}

function versionOf(random: Seeded, scenario: Scenario, fleet: SomeFleet): SomeVersion {
  const start = USUAL_START;
  switch (scenario) {
    case '3 points of a core more':
      return { cores: 0.03, start };
    case '8 points of a core more':
      return { cores: 0.08, start };
    case '6 points more in one role':
      return { cores: 0.06, role: random.whole(0, fleet.roles - 1), start };
    case 'leaks after some hours':
      return {
        cores: 0,
        afterMinutes: random.whole(60, 360),
        leakAnHour: random.between(15e6, 60e6),
        start,
      };
    case 'burns after some hours':
      return { cores: 0.1, afterMinutes: random.whole(120, 480), start };
    case 'throttled by its CPUQuota':
      return { cores: 0.5, start };
    case 'busy first minutes, harmless':
      return { cores: 0, start: { cores: random.between(0.05, 0.15), minutes: random.whole(3, 12) } };
    default:
      return { cores: 0, start };
  }
}

/** What the program did before its gates compared: any host's 5-minute rate above the limit for 5 minutes. */
export const FIXED: readonly RehearsedGate[] = [
  { reading: 'cpu', gate: fixed('agent-cpu', 0.1, 300_000, 300_000) },
  { reading: 'memory', gate: fixed('agent-memory', 250e6, 120_000, 120_000) },
];

/**
 * The default gates that load moves. `agent-alive`, `agent-restarts` and `agent-blind` are not among them: nothing here stops, restarts or
 * silences an agent.
 */
export const DEFAULTS: readonly RehearsedGate[] = [
  { reading: 'cpu', gate: BUILTIN_GATES['agent-cpu'] },
  { reading: 'memory', gate: BUILTIN_GATES['agent-memory'] },
  { reading: 'throttled', gate: BUILTIN_GATES['agent-throttled'] },
  { reading: 'wait', gate: BUILTIN_GATES['host-run-queue'] },
  { reading: 'alert', gate: BUILTIN_GATES.alerts },
];

function fixed(name: string, limit: number, windowMs: number, forMs: number): GatePolicy {
  return { name, query: '', unit: '', direction: 'above', limit, windowMs, forMs };
}
