/** A rollout goes by what it was planned with; where the file says something else by now, its keys are named as the file has them. */
import { describe, expect, it } from 'vitest';
import { asPlannedWords, keysAsPlanned } from '../../src/domain/as-planned.ts';
import type { RolloutPolicy } from '../../src/domain/policy.ts';
import { gate, somePolicy } from '../engine/world.ts';
import { progress, rollout } from './rollout-states.ts';

const planned = rollout([progress('1', 'verified')]);
const keys = (file: Partial<RolloutPolicy>, state = planned) =>
  keysAsPlanned(state, { ...somePolicy, ...file });
const cpu = gate('cpu', {});
const alive = gate('alive', { unit: 'processes', direction: 'below', limit: 1, forMs: 5_000 });

describe('a file that says the same', () => {
  it('has nothing to name, as it was and as a journal keeps it', () => {
    expect(keys({})).toEqual([]);
    const read = JSON.parse(JSON.stringify(somePolicy)) as RolloutPolicy;
    expect(keysAsPlanned({ ...planned, policy: read }, somePolicy)).toEqual([]);
  });

  it('in more words says the same', () => {
    const gates = [{ ...cpu, failures: 1, weight: { kind: 'any' }, noData: 'hold' } as const, alive];
    expect(keys({ approvedBy: 'anybody', database: 'keep', consecutiveErrors: 0, gates })).toEqual([]);
  });

  it('with its gates in another order says the same', () => {
    expect(keys({ gates: [alive, cpu] })).toEqual([]);
  });
});

describe('a file that was edited', () => {
  it.each<[string, Partial<RolloutPolicy>, string[]]>([
    ['soak and bake', { soakMs: 1, bakeMs: 2 }, ['bake', 'soak']],
    ['an approval', { approval: 'after-canary', approvedBy: 'second-person' }, ['approval', 'approvedBy']],
    ['a limit', { gates: [{ ...cpu, limit: 0.2, forMs: 1 }, alive] }, ['gates.cpu.for', 'gates.cpu.limit']],
    ['a gate more', { gates: [cpu, alive, gate('countsMs', {})] }, ['gates.countsMs']],
    ['a gate less', { gates: [cpu] }, ['gates.alive']],
    ['a weight', { gates: [{ ...cpu, weight: { kind: 'share', share: 0.5 } }, alive] }, ['gates.cpu.weight']],
    [
      'waves',
      {
        waves: {
          ...somePolicy.waves,
          then: [],
          maxUnavailable: { ...somePolicy.waves.maxUnavailable, zone: { kind: 'count', count: 1 } },
        },
      },
      ['waves.maxUnavailable.zone', 'waves.then'],
    ],
    ['the way back', { armedRevert: { afterMs: 1, disarm: 'after-soak' } }, ['revertTimer']],
    ['a scrape delay', { sampleDelayMs: 2 }, ['prometheus.delay']],
    ['a time', { stepTimeouts: { ...somePolicy.stepTimeouts, lookMs: 1 } }, ['steps.look.timeout']],
    ['limits', { limits: { ...somePolicy.limits, hostDeadlineMs: 1 } }, ['limits.hostDeadline']],
  ])('%s', (_, file, expected) => {
    expect(keys(file)).toEqual(expected);
  });

  it('in the guard of the way back names that', () => {
    const armed = { afterMs: 1_000, disarm: 'after-soak' } as const;
    const state = { ...planned, policy: { ...somePolicy, armedRevert: armed } };
    const file = { armedRevert: { ...armed, afterMs: 2_000, guard: { cpuQuotaPercent: 20 } } };
    expect(keys(file, state)).toEqual(['guard', 'revertTimer.after']);
  });

  it('is not told of what is over, or goes back', () => {
    const cause = { kind: 'operator' } as const;
    const back = rollout([], { phase: { kind: 'rolling-back', since: 1, cause } as never });
    expect(keys({ soakMs: 1 }, back)).toEqual([]);
    expect(keys({ soakMs: 1 }, rollout([], { phase: { kind: 'done' } as never }))).toEqual([]);
    expect(keys({ soakMs: 1 }, rollout([], { kind: 'rollback' }))).toEqual([]);
  });
});

describe('the sentence', () => {
  it('names some keys, and how many more', () => {
    expect(asPlannedWords(['bake', 'soak'])).toBe(
      "bake, soak: as planned, and not as the file has it now; a new rollout takes the file's",
    );
    expect(asPlannedWords(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])).toContain('f and 2 more: as planned');
  });
});
