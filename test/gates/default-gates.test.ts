/**
 * The default gates over a few made-up fleets, beside the fixed threshold that they replace. bench/false-alarms.ts has the whole table;
 * this holds what a broken comparison, excuse or number would show at once.
 */
import { describe, expect, it } from 'vitest';
import { type Outcome, rehearse } from './rehearsal.ts';
import { DEFAULTS, FIXED, SCENARIOS, type Scenario, SIZES, trialOf } from './trials.ts';

const FLEETS = 5;
const size = SIZES[1];
const names = Object.keys(SCENARIOS) as Scenario[];

interface Tried {
  readonly scenario: Scenario;
  readonly fixed: Outcome;
  readonly own: Outcome;
}

const tried: readonly Tried[] = names.flatMap((scenario, kind) =>
  Array.from({ length: FLEETS }, (_, one) => {
    const trial = trialOf(scenario, size, 500 + 100 * kind + one);
    const every = { soakEvery: 5, bakeEvery: 5 };
    return {
      scenario,
      fixed: rehearse({ ...trial, gates: FIXED, ...every }),
      own: rehearse({ ...trial, gates: DEFAULTS, ...every }),
    };
  }),
);

const of = (which: 'good' | 'bad') => tried.filter(({ scenario }) => SCENARIOS[scenario] === which);
const count = (of: readonly Tried[], rule: 'fixed' | 'own', kind: Outcome['kind']) =>
  of.filter((one) => one[rule].kind === kind).length;

describe('60 fleets of 30 hosts, half of them with a good version', () => {
  it('the fixed threshold rolls back good versions on bad days, so that there is something to do better', () => {
    expect(count(of('good'), 'fixed', 'rolled-back')).toBeGreaterThanOrEqual(10);
  });

  it('the default gates roll back at most a fifth as many, and hold none for good', () => {
    expect(count(of('good'), 'own', 'rolled-back')).toBeLessThanOrEqual(
      count(of('good'), 'fixed', 'rolled-back') / 5,
    );
    expect(count(tried, 'own', 'held')).toBe(0);
  });

  it('they let hardly a bad one pass that the threshold would have found', () => {
    expect(count(of('bad'), 'own', 'passed')).toBeLessThanOrEqual(count(of('bad'), 'fixed', 'passed') + 2);
  });

  it('3 points of a core are found by the comparison, in the first wave or the second, far below the limit', () => {
    const own = tried.filter(({ scenario }) => scenario === '3 points of a core more').map((one) => one.own);
    expect(own.map(({ kind }) => kind)).toEqual(own.map(() => 'rolled-back'));
    for (const { where, why } of own) {
      expect([0, 1]).toContain(where);
      expect(why).toMatch(/more than \d+ control hosts/);
    }
  });

  it('what leaks or burns after hours is found in the bake, within a day', () => {
    const late = tried.filter(({ scenario }) => scenario.includes('after some hours'));
    expect(late.map(({ own }) => own.kind)).toEqual(late.map(() => 'rolled-back'));
  });
});
