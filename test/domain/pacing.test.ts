import { describe, expect, it } from 'vitest';
import { type PacingPolicy, paceInWords, paceOf } from '../../src/domain/pacing.ts';

const POLICY: PacingPolicy = {
  intervals: { configMs: 600_000, loggerMs: 300_000, distributedMs: 100_000 },
  enrolsAtStart: false,
  budgetPerS: 45,
  waveWithinMs: 60_000,
};

describe('what starts cost the agents’ server', () => {
  it('600, 300 and 100 s are 9 requests in 600 s, so 15 a second for 1,000 agents', () => {
    expect(paceOf(POLICY, 1_000).steadyPerS).toBeCloseTo(15);
  });

  it('starts get what the steady load leaves: 30 a second of 45, at 3 a start 10 starts a second', () => {
    expect(paceOf(POLICY, 1_000)).toMatchObject({ perStart: 3, mostInWave: 600 });
    expect(paceOf(POLICY, 1_000).startsPerS).toBeCloseTo(10);
    expect(paceOf(POLICY, 1_000).gapMs).toBeCloseTo(100);
  });

  it('an agent that enrols anew costs one more', () => {
    expect(paceOf({ ...POLICY, enrolsAtStart: true }, 1_000)).toMatchObject({ perStart: 4, mostInWave: 450 });
  });

  it('where the fleet alone takes the budget there is no room for any start', () => {
    const pace = paceOf(POLICY, 3_000);
    expect(pace).toMatchObject({ startsPerS: 0, gapMs: null, mostInWave: 0 });
    expect(paceInWords(POLICY, 3_000, pace)).toContain('there is no room for a start');
  });

  it('where there is a little room a wave has at least one host', () => {
    expect(paceOf({ ...POLICY, budgetPerS: 15.01, waveWithinMs: 1 }, 1_000).mostInWave).toBe(1);
  });

  it('an agent that asks nobody is not paced', () => {
    expect(paceOf({ ...POLICY, intervals: {} }, 500)).toMatchObject({
      steadyPerS: 0,
      gapMs: 0,
      mostInWave: 500,
    });
  });

  it('says the arithmetic', () => {
    expect(paceInWords(POLICY, 1_000, paceOf(POLICY, 1_000))).toBe(
      '1000 agents ask 15 times a second of 45 that their server may get; a start costs 3 at once, so that 10 may start a second, and at most 600 in one wave',
    );
  });
});
