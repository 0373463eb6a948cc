/** A fleet for a rehearsal: hosts of several roles and three zones, cut into waves by the real planner. */
import type { ClassifiedHost } from '../../src/domain/host.ts';
import type { PlannedHost } from '../../src/domain/plan.ts';
import { planRollout, type SurveyResult } from '../../src/domain/planning.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';
import type { Seeded } from './seeded.ts';

export const ZONES = ['b', 'c', 'd'] as const;

export interface SomeHost {
  readonly planned: PlannedHost;
  readonly wave: number;
  /** Number of its role, and of its zone. */
  readonly role: number;
  readonly zone: number;
}

export interface SomeFleet {
  readonly hosts: readonly SomeHost[];
  readonly roles: number;
  readonly waves: number;
}

const OLD = artifactOf('old', { version: '5.10.1' });
const FRESH = artifactOf('fresh', { version: '5.10.2' });

/** `size` hosts of `roles` roles. A few roles have most of the hosts and some have one, as fleets are. */
export function someFleet(random: Seeded, size: number, roles: number): SomeFleet {
  const weights = Array.from({ length: roles }, (_, rank) => 1 / (rank + 1));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const roleOf = new Map<string, number>();
  const zoneOf = new Map<string, number>();
  const hosts: ClassifiedHost[] = [];
  const survey = new Map<string, SurveyResult>();
  for (let index = 0; index < size; index += 1) {
    const role = index < roles ? index : heavier(random, weights, sum);
    const zone = index % ZONES.length;
    const id = String(7_000_000 + index);
    roleOf.set(id, role);
    zoneOf.set(id, zone);
    hosts.push({
      host: {
        id,
        // Not in the order of roles or zones: the planner goes by name.
        name: `h${String((index * 7_919) % 100_003).padStart(6, '0')}`,
        address: `10.0.${index >> 8}.${index & 255}`,
        zone: `us-east1-${ZONES[zone]}`,
        role: `role-${role}`,
        machineType: 'n2-standard-4',
        os: 'debian-12',
        status: 'RUNNING',
        labels: {},
        tags: [],
        metadata: {},
        spot: false,
      },
      eligibility: { kind: 'eligible' },
    });
    const agent = { packageVersion: OLD.control.version, architecture: 'amd64' };
    survey.set(id, { kind: 'surveyed', agent, runsTarget: false });
  }
  const bound = { kind: 'percent', percent: 10 } as const;
  const plan = planRollout({
    hosts,
    survey,
    target: { version: FRESH.version, artifacts: { amd64: FRESH } },
    staged: [OLD, FRESH],
    // As environments/gprd.yaml has it.
    policy: {
      strata: ['role', 'machineType', 'os'],
      then: [5, 20, 50, 100].map((percent) => ({ kind: 'percent', percent })),
      maxUnavailable: { environment: bound, zone: bound, role: bound },
    },
  });
  return {
    roles,
    waves: plan.waves.length,
    hosts: plan.waves.flatMap((wave) =>
      wave.hosts.map((planned) => ({
        planned,
        wave: wave.index,
        role: roleOf.get(planned.id) ?? 0,
        zone: zoneOf.get(planned.id) ?? 0,
      })),
    ),
  };
}

function heavier(random: Seeded, weights: readonly number[], sum: number): number {
  let left = random.unit() * sum;
  for (const [rank, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return rank;
  }
  return weights.length - 1;
}
