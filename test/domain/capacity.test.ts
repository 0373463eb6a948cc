/** Of how many hosts a bound in percent is, while VMs come and go. */
import { describe, expect, it } from 'vitest';
import { batchWithin } from '../../src/domain/capacity.ts';
import type { HostProgress } from '../../src/domain/state.ts';
import { somePolicy } from '../engine/world.ts';
import { progress, rollout } from './rollout-states.ts';

const TENTH = { kind: 'percent', percent: 10 } as const;
const ALL = { kind: 'percent', percent: 100 } as const;

function taken(
  hosts: readonly HostProgress[],
  bounds: Partial<Record<'environment' | 'zone' | 'role', typeof TENTH | typeof ALL>>,
): number {
  const total = hosts.length;
  const state = rollout(hosts, {
    population: { environment: total, byZone: { z1: total }, byRole: { web: total } },
    policy: {
      ...somePolicy,
      waves: {
        ...somePolicy.waves,
        maxUnavailable: { environment: ALL, zone: ALL, role: ALL, ...bounds },
      },
    },
  });
  const candidates = hosts.filter(({ state: now }) => now === 'pending');
  return batchWithin(state, candidates, 200).length;
}

const some = (count: number, state: HostProgress['state'], from = 0): HostProgress[] =>
  Array.from({ length: count }, (_, index) => progress(`${from + index + 1}`, state));

describe('a bound in percent', () => {
  it.each(['environment', 'zone', 'role'] as const)('is of the hosts of the %s', (which) => {
    expect(taken(some(100, 'pending'), { [which]: TENTH })).toBe(10);
  });

  // A group that makes all its VMs anew in mid-rollout: 100 are gone, 100 have joined.
  it.each(['environment', 'zone', 'role'] as const)(
    'of the %s is not of those that are gone: VMs made anew do not double it',
    (which) => {
      const hosts = [...some(100, 'gone'), ...some(100, 'pending', 100)];
      expect(taken(hosts, { [which]: TENTH })).toBe(10);
    },
  );

  it('of few that are left is still one', () => {
    expect(taken([...some(99, 'gone'), ...some(1, 'pending', 99)], { environment: TENTH })).toBe(1);
  });

  it('leaves room for one in a zone that could not be listed when hosts were counted', () => {
    const hidden = [progress('1', 'pending'), progress('2', 'pending')].map((one) => ({
      ...one,
      host: { ...one.host, zone: 'z9', role: 'cache' },
    }));
    expect(taken(hidden, { environment: ALL, zone: TENTH })).toBe(1);
  });
});
