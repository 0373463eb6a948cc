import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Artifact } from '../../src/domain/artifact.ts';
import { batchWithin } from '../../src/domain/capacity.ts';
import type { ClassifiedHost, Host } from '../../src/domain/host.ts';
import { hostsAllowed, planRollout, type SurveyResult } from '../../src/domain/planning.ts';
import type { Bound } from '../../src/domain/policy.ts';
import { someHosts, somePolicy } from '../engine/world.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';
import { plannedHost, progress, rollout } from './rollout-states.ts';

const old = artifactOf('old', { version: '5.10.1' });
const fresh = artifactOf('fresh', { version: '5.10.2' });

const survey: fc.Arbitrary<SurveyResult | null> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constant<SurveyResult>({
      kind: 'surveyed',
      agent: { packageVersion: old.control.version, architecture: 'amd64' },
      runsTarget: false,
    }),
  },
  fc.constant<SurveyResult>({
    kind: 'surveyed',
    agent: { packageVersion: fresh.control.version, architecture: 'amd64' },
    runsTarget: true,
  }),
  fc.constant<SurveyResult>({
    kind: 'surveyed',
    agent: { packageVersion: fresh.control.version, architecture: 'amd64' },
    runsTarget: false,
  }),
  fc.constant<SurveyResult>({
    kind: 'surveyed',
    agent: { packageVersion: '4.0', architecture: 'amd64' },
    runsTarget: false,
  }),
  fc.constant<SurveyResult>({
    kind: 'surveyed',
    agent: { packageVersion: old.control.version, architecture: 'arm64' },
    runsTarget: false,
  }),
  fc.constant<SurveyResult>({ kind: 'agent-absent' }),
  fc.constant<SurveyResult>({ kind: 'unreachable', why: 'no' }),
  fc.constant(null),
);
const oneHost = fc.record({
  role: fc.constantFrom('web', 'db', 'constructor', '__proto__'),
  zone: fc.constantFrom('z1', 'z2', 'z3'),
  eligible: fc.boolean(),
  survey,
});
const bound: fc.Arbitrary<Bound> = fc.oneof(
  fc.record({ kind: fc.constant('count' as const), count: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ kind: fc.constant('percent' as const), percent: fc.integer({ min: 0, max: 100 }) }),
);

const fleet = fc.record({
  hosts: fc.array(oneHost, { maxLength: 60 }),
  then: fc.array(bound, { maxLength: 4 }),
  strata: fc.subarray(['role', 'zone'] as const),
  seed: fc.integer(),
});

function planned(
  input: {
    hosts: readonly { role: string; zone: string; eligible: boolean; survey: SurveyResult | null }[];
    then: readonly Bound[];
    strata: readonly ('role' | 'zone')[];
  },
  reversed = false,
) {
  const made = someHosts(input.hosts.length).map(
    (host, index): Host => ({
      ...host,
      role: input.hosts[index]?.role ?? '',
      zone: input.hosts[index]?.zone ?? '',
    }),
  );
  const hosts = made.map(
    (host, index): ClassifiedHost => ({
      host,
      eligibility:
        input.hosts[index]?.eligible === false ? { kind: 'excluded', rule: 'r' } : { kind: 'eligible' },
    }),
  );
  const surveyed = new Map(
    made.flatMap((host, index) => {
      const found = input.hosts[index]?.survey ?? null;
      return found === null ? [] : [[host.id, found] as const];
    }),
  );
  const plan = planRollout({
    hosts: reversed ? hosts.toReversed() : hosts,
    survey: surveyed,
    target: { version: fresh.version, artifacts: { amd64: fresh } },
    staged: [old, fresh],
    policy: { ...somePolicy.waves, then: input.then, strata: input.strata },
  });
  return { plan, hosts };
}

function canaryPlan(hosts: readonly Host[]) {
  return planRollout({
    hosts: hosts.map((host) => ({ host, eligibility: { kind: 'eligible' } })),
    survey: new Map(
      hosts.map(({ id }) => {
        const agent = { packageVersion: old.control.version, architecture: 'amd64' };
        return [id, { kind: 'surveyed', agent, runsTarget: false }];
      }),
    ),
    target: { version: '5.10.2', artifacts: { amd64: fresh } },
    staged: [old, fresh],
    policy: somePolicy.waves,
    canaryOnly: true,
  });
}

describe('a plan', () => {
  it('has every host in exactly one wave or left out with its reason (P3), each with a way back (P4)', () => {
    fc.assert(
      fc.property(fleet, (input) => {
        const { plan, hosts } = planned(input);
        const ids = [
          ...plan.waves.flatMap((wave) => wave.hosts.map(({ id }) => id)),
          ...plan.leftOut.map(({ id }) => id),
        ];
        expect(ids.toSorted()).toEqual(hosts.map(({ host }) => host.id).toSorted());
        for (const wave of plan.waves) {
          expect(wave.hosts.length).toBeGreaterThan(0);
          for (const { from } of wave.hosts) expect(from.artifact?.sha256).toBe(old.sha256);
        }
        const eligible = hosts.filter(({ eligibility }) => eligibility.kind === 'eligible').length;
        expect(plan.population.environment).toBe(eligible);
        expect(Object.values(plan.population.byRole).reduce((sum, count) => sum + count, 0)).toBe(eligible);
      }),
    );
  });

  it('has one host of each stratum in the canary wave (P1)', () => {
    fc.assert(
      fc.property(fleet, (input) => {
        const { plan } = planned(input);
        const all = new Set(plan.waves.flatMap((wave) => wave.hosts.map(({ stratum }) => stratum)));
        const canaries = plan.waves[0]?.hosts.map(({ stratum }) => stratum) ?? [];
        expect(canaries.toSorted()).toEqual([...all].toSorted());
      }),
    );
  });

  it('has a canary for each package: one architecture does not prove what another gets (P1)', () => {
    const hosts = someHosts(6, ['web']);
    const arm = artifactOf('arm', { version: '5.10.2', architecture: 'arm64' });
    const oldArm = artifactOf('old arm', { version: '5.10.1', architecture: 'arm64' });
    const plan = planRollout({
      hosts: hosts.map((host) => ({ host, eligibility: { kind: 'eligible' } })),
      survey: new Map(
        hosts.map(({ id }) => {
          const architecture = Number(id) > 4 ? 'arm64' : 'amd64';
          const agent = { packageVersion: old.control.version, architecture };
          return [id, { kind: 'surveyed', agent, runsTarget: false }];
        }),
      ),
      target: { version: '5.10.2', artifacts: { amd64: fresh, arm64: arm } },
      staged: [old, oldArm, fresh, arm],
      policy: somePolicy.waves,
    });
    expect(plan.waves[0]?.hosts.map(({ architecture }) => architecture)).toEqual(['amd64', 'arm64']);
  });

  it('never has a wave beyond its share, one host aside (P2)', () => {
    fc.assert(
      fc.property(fleet, (input) => {
        const { plan } = planned(input);
        const rest = plan.waves.slice(1).reduce((sum, wave) => sum + wave.hosts.length, 0);
        let taken = 0;
        // The last one has whoever the others may not take (P5).
        plan.waves.slice(1, -1).forEach((wave, index) => {
          const share = input.then[index] ?? { kind: 'percent', percent: 100 };
          const upTo =
            share.kind === 'percent' ? Math.floor((rest * share.percent) / 100) : taken + share.count;
          expect(taken + wave.hosts.length).toBeLessThanOrEqual(Math.max(taken + 1, upTo));
          taken += wave.hosts.length;
        });
      }),
    );
  });

  it('keeps one host of every stratum that has more than its canary for the last wave (P5)', () => {
    fc.assert(
      fc.property(fleet, (input) => {
        const { plan } = planned(input);
        const sizes = new Map<string, number>();
        for (const { stratum } of plan.waves.flatMap(({ hosts }) => hosts))
          sizes.set(stratum, (sizes.get(stratum) ?? 0) + 1);
        const last = new Set(
          (plan.waves.length > 1 ? plan.waves.at(-1) : undefined)?.hosts.map(({ stratum }) => stratum),
        );
        for (const [stratum, size] of sizes) expect(last.has(stratum)).toBe(size > 1);
      }),
    );
  });

  it('lets no earlier wave take those hosts, however much it may have (P5)', () => {
    const { plan } = planned({
      hosts: Array.from({ length: 40 }, (_, index) => ({
        role: ['web', 'db', 'git', 'ci'][index % 4] ?? '',
        zone: 'z1',
        eligible: true,
        survey: {
          kind: 'surveyed',
          agent: { packageVersion: old.control.version, architecture: 'amd64' },
          runsTarget: false,
        },
      })),
      then: [
        { kind: 'percent', percent: 10 },
        { kind: 'percent', percent: 95 },
        { kind: 'percent', percent: 98 },
      ],
      strata: ['role'],
    });
    expect(plan.waves.map(({ hosts }) => hosts.length)).toEqual([4, 3, 29, 4]);
    expect(
      plan.waves
        .at(-1)
        ?.hosts.map(({ role }) => role)
        .sort(),
    ).toEqual(['ci', 'db', 'git', 'web']);
  });

  it('of a canary alone names who the canaries are compared with, at most 30 of a stratum, and nobody twice (P5)', () => {
    const plan = canaryPlan(someHosts(100));
    const controls = plan.controls ?? [];
    expect(plan.waves.map(({ hosts }) => hosts.length)).toEqual([2]);
    expect(controls.filter(({ stratum }) => stratum === 'web')).toHaveLength(30);
    expect(controls.filter(({ stratum }) => stratum === 'db')).toHaveLength(30);
    const ids = [...controls, ...(plan.waves[0]?.hosts ?? [])].map(({ id }) => id);
    expect(new Set(ids).size).toBe(62);
    expect(canaryPlan(someHosts(100).toReversed())).toEqual(plan);
    expect(canaryPlan(someHosts(2)).controls).toBeUndefined();
  });

  it('is the same whatever order the inventory lists the hosts in', () => {
    fc.assert(
      fc.property(fleet, (input) => {
        expect(planned(input, true).plan).toEqual(planned(input).plan);
      }),
    );
  });
});

describe('the bounds on unavailability', () => {
  it.each([
    [{ kind: 'percent', percent: 10 }, 5, 1],
    [{ kind: 'percent', percent: 10 }, 39, 3],
    [{ kind: 'percent', percent: 0 }, 39, 1],
    [{ kind: 'count', count: 2 }, 1, 2],
  ] as const)('%j of %i hosts are %i', (of, total, allowed) => {
    expect(hostsAllowed(of, total)).toBe(allowed);
  });

  it('hold for environment, zone and role at once, whatever is out already (C1)', () => {
    const state = fc.constantFrom(
      'pending',
      'installing',
      'verified',
      'unreachable',
      'failed',
      'blocked',
      'gone',
      'skipped' as const,
    );
    const host = fc.record({ state, zone: fc.constantFrom('z1', 'z2'), role: fc.constantFrom('web', 'db') });
    fc.assert(
      fc.property(fc.array(host, { maxLength: 30 }), bound, bound, bound, (made, environment, zone, role) => {
        const hosts = made.map((one, index) =>
          progress(`${index}`, one.state as 'pending', {
            host: plannedHost(`${index}`, { zone: one.zone, role: one.role }),
          }),
        );
        const count = (key: 'zone' | 'role', name: string) => made.filter((one) => one[key] === name).length;
        const population = {
          environment: made.length,
          byZone: { z1: count('zone', 'z1'), z2: count('zone', 'z2') },
          byRole: { web: count('role', 'web'), db: count('role', 'db') },
        };
        const policy = {
          ...somePolicy,
          waves: { ...somePolicy.waves, maxUnavailable: { environment, zone, role } },
        };
        const candidates = hosts.filter((one) => one.state === 'pending');
        const batch = batchWithin(rollout(hosts, { population, policy }), candidates, 1_000);
        if (batch.length === 0) return;
        const out = [
          ...batch,
          ...hosts.filter((one) => ['installing', 'unreachable', 'failed'].includes(one.state)),
        ];
        expect(out.length).toBeLessThanOrEqual(hostsAllowed(environment, made.length));
        for (const one of batch) {
          const { zone: z, role: r } = one.host;
          expect(out.filter((o) => o.host.zone === z).length).toBeLessThanOrEqual(
            hostsAllowed(zone, count('zone', z)),
          );
          expect(out.filter((o) => o.host.role === r).length).toBeLessThanOrEqual(
            hostsAllowed(role, count('role', r)),
          );
        }
      }),
    );
  });
});

it('a host of whose version different packages are staged has no way back that anybody could name (P4)', () => {
  const [host] = someHosts(1);
  if (host === undefined) throw new Error('no host');
  const agent = { packageVersion: old.control.version, architecture: 'amd64' };
  const plan = (staged: readonly Artifact[]) =>
    planRollout({
      hosts: [{ host, eligibility: { kind: 'eligible' } }],
      survey: new Map([[host.id, { kind: 'surveyed', agent, runsTarget: false }]]),
      target: { version: '5.10.2', artifacts: { amd64: fresh } },
      staged,
      policy: somePolicy.waves,
    });
  expect(plan([old, { ...old, version: 'again' }, fresh]).leftOut).toEqual([]);
  expect(plan([old, { ...old, sha256: fresh.sha256 }, fresh])).toMatchObject({
    waves: [],
    leftOut: [{ why: { kind: 'no-way-back', twice: true } }],
  });
});
