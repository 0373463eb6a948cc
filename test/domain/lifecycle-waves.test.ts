import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Host } from '../../src/domain/host.ts';
import { gatesFor, nextBatch, planWaves } from '../../src/domain/lifecycle-waves.ts';
import { hostsAllowed } from '../../src/domain/planning.ts';
import type { Bound, WavePolicy } from '../../src/domain/policy.ts';
import { someHosts, somePolicy } from '../engine/world.ts';

const percent = (of: number): Bound => ({ kind: 'percent', percent: of });
const count = (of: number): Bound => ({ kind: 'count', count: of });

const WAVES: WavePolicy = {
  strata: ['role'],
  then: [percent(10), percent(30), percent(100)],
  maxUnavailable: { environment: percent(10), zone: percent(34), role: count(1) },
};

const names = (hosts: readonly Host[]): string[] => hosts.map(({ name }) => name);

describe('waves of a lifecycle action', () => {
  it('the first has one host of every role, the others growing shares of the rest, each host once', () => {
    const hosts = someHosts(42);
    const waves = planWaves(hosts, WAVES);
    expect(waves.map((wave) => wave.length)).toEqual([2, 4, 8, 28]);
    expect(new Set(waves[0]?.map(({ role }) => role))).toEqual(new Set(['web', 'db']));
    expect(names(waves.flat()).sort()).toEqual(names(hosts).sort());
  });

  it('the same hosts in another order give the same waves', () => {
    const hosts = someHosts(30);
    expect(planWaves([...hosts].reverse(), WAVES)).toEqual(planWaves(hosts, WAVES));
  });

  it('one host is one wave, nobody is none, and without a strategy all are one', () => {
    expect(planWaves(someHosts(1), WAVES)).toHaveLength(1);
    expect(planWaves([], WAVES)).toEqual([]);
    expect(planWaves([], null)).toEqual([]);
    expect(planWaves(someHosts(30), null).map((wave) => wave.length)).toEqual([30]);
  });
});

describe('who may be acted on at once', () => {
  const hosts = someHosts(40);
  const batch = (more: Partial<Parameters<typeof nextBatch>[0]>): Host[] =>
    nextBatch({
      fleet: hosts,
      candidates: hosts,
      outOfService: new Set(),
      gone: new Set(),
      maxUnavailable: { environment: percent(10), zone: percent(100), role: percent(100) },
      ...more,
    });

  it('one that failed before takes room, until there is none', () => {
    expect(batch({})).toHaveLength(4);
    expect(batch({ outOfService: new Set(['1', '2', '3']) })).toHaveLength(1);
    expect(batch({ outOfService: new Set(['1', '2', '3', '4']) })).toEqual([]);
    expect(batch({ outOfService: new Set(['1', '2', '3', '4', '5']) })).toEqual([]);
  });

  it('VMs that are gone neither take room nor make any', () => {
    const gone = new Set(hosts.slice(0, 20).map(({ id }) => id));
    expect(batch({ gone, candidates: hosts.slice(20) })).toHaveLength(2);
    expect(batch({ gone, candidates: hosts.slice(20), outOfService: new Set(['1', '2']) })).toHaveLength(2);
  });

  it('a role without room does not keep the others waiting', () => {
    const maxUnavailable = { environment: percent(100), zone: percent(100), role: count(1) };
    expect(batch({ maxUnavailable }).map(({ role }) => role)).toEqual(['web', 'db']);
    expect(batch({ maxUnavailable, outOfService: new Set(['1']) }).map(({ role }) => role)).toEqual(['db']);
  });

  it('no bound is ever passed, and somebody may always go where nobody is out of service', () => {
    const bound = fc.oneof(
      fc.integer({ min: 1, max: 100 }).map(percent),
      fc.integer({ min: 1, max: 9 }).map(count),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ zone: fc.integer({ max: 3 }), role: fc.integer({ max: 3 }) }), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.record({ environment: bound, zone: bound, role: bound }),
        fc.integer({ min: 0, max: 5 }),
        (places, maxUnavailable, out) => {
          const fleet = someHosts(places.length).map((host, index) => ({
            ...host,
            zone: `z${places[index]?.zone}`,
            role: `r${places[index]?.role}`,
          }));
          const outOfService = new Set(fleet.slice(0, out).map(({ id }) => id));
          const candidates = fleet.slice(out);
          const chosen = nextBatch({ fleet, candidates, outOfService, gone: new Set(), maxUnavailable });
          if (out === 0) expect(chosen.length).toBeGreaterThan(0);
          const unavailable = [...fleet.slice(0, out), ...chosen];
          if (chosen.length > 0)
            expect(unavailable.length).toBeLessThanOrEqual(
              hostsAllowed(maxUnavailable.environment, fleet.length),
            );
          for (const key of ['zone', 'role'] as const) {
            for (const name of new Set(chosen.map((host) => host[key]))) {
              const of = (hosts: readonly Host[]): number =>
                hosts.filter((host) => host[key] === name).length;
              expect(of(unavailable)).toBeLessThanOrEqual(hostsAllowed(maxUnavailable[key], of(fleet)));
            }
          }
        },
      ),
    );
  });
});

describe('what a wave is watched by', () => {
  const [own] = somePolicy.gates;
  const gates = own === undefined ? [] : [own];

  it.each(['start', 'restart', 'enable', 'install'] as const)("%s: the environment's gates", (verb) => {
    expect(gatesFor(verb, [], somePolicy.gates)).toBe(somePolicy.gates);
    expect(gatesFor(verb, gates, somePolicy.gates)).toBe(gates);
  });

  it.each(['stop', 'disable', 'remove', 'purge'] as const)(
    "%s: never the environment's, which are about an agent that is meant to be gone",
    (verb) => {
      expect(gatesFor(verb, [], somePolicy.gates)).toEqual([]);
      expect(gatesFor(verb, gates, somePolicy.gates)).toBe(gates);
    },
  );
});
