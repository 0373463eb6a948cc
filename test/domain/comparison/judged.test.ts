/** What `judge` makes of a gate that compares: days and versions, good and bad. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GateMeasurement, GateVerdict, Judgement, Sample } from '../../../src/domain/gate.ts';
import { judge } from '../../../src/domain/judge.ts';
import type { GateComparison, GatePolicy } from '../../../src/domain/policy.ts';

const T0 = Date.parse('2026-03-01T03:12:00Z');
const STEP = 60_000;
/** Steps that are compared, and the span that is judged: the newest. */
const OVER = 5;

const compare: GateComparison = {
  with: 'control',
  effect: 0.02,
  relativeEffect: 0.25,
  alpha: 0.05,
  overMs: OVER * STEP,
  beforeMs: 3_600_000,
  tooFew: 'hold',
};
const cpu: GatePolicy = {
  name: 'agent-cpu',
  query: 'q',
  unit: 'cores',
  direction: 'above',
  limit: 0.1,
  windowMs: 60_000,
  forMs: 0,
  compare,
};

interface One {
  readonly name: string;
  readonly stratum?: string;
  /** The same at every step, or one number a step; null: none. */
  readonly now: number | readonly (number | null)[] | null;
  readonly before?: number;
  readonly changedAt?: number;
}

interface Case {
  readonly gate?: GatePolicy;
  readonly changed: readonly One[];
  readonly control?: readonly One[];
  readonly ambiguous?: readonly string[];
  readonly last?: Judgement;
}

function seriesOf({ now }: One): Sample[] {
  const row = now === null ? [] : typeof now === 'number' ? Array.from({ length: OVER }, () => now) : now;
  return row.flatMap((value, index) =>
    value === null ? [] : [{ at: T0 + (index + 2 - OVER) * STEP, value }],
  );
}

function judged({ gate = cpu, changed, control = [], ambiguous = [], last }: Case): {
  judgement: Judgement;
  verdict: GateVerdict;
} {
  const all = [...changed, ...control];
  const measurement: GateMeasurement = {
    gate,
    query: 'q',
    outcome: {
      kind: 'measured',
      byHost: new Map(all.map((one) => [one.name, seriesOf(one)])),
      before: new Map(all.flatMap(({ name, before }) => (before === undefined ? [] : [[name, before]]))),
      ambiguous,
      warnings: [],
    },
  };
  const host = ({ name, stratum, changedAt }: One) => ({
    id: name,
    name,
    ...(stratum === undefined ? {} : { stratum }),
    ...(changedAt === undefined ? {} : { changedAt }),
  });
  const judgement = judge({
    measurements: [measurement],
    hosts: changed.map(host),
    controls: control.map(host),
    last: last ?? null,
    from: T0,
    to: T0 + STEP,
    stepMs: STEP,
  });
  const [verdict] = judgement.gates;
  if (verdict === undefined) throw new Error('no verdict');
  return { judgement, verdict };
}

/** Hosts that differ a little from one another, as hosts do. */
function some(n: number, name: string, at: number, more: Partial<One> = {}): One[] {
  return Array.from({ length: n }, (_, index) => ({
    name: `${name}-${index}`,
    now: at + ((index * 7) % 11) / 10_000,
    ...more,
  }));
}

describe('a version is worse', () => {
  it('by significantly and substantially more than control: fails below the limit, and says by how much', () => {
    const { verdict, judgement } = judged({ changed: some(4, 'web', 0.071), control: some(9, 'old', 0.03) });
    expect(judgement).toMatchObject({ kind: 'fail', observedMs: 0 });
    expect(verdict.comparison).toMatchObject({
      with: 'control',
      kind: 'worse',
      basis: 'level',
      changed: 4,
      control: 9,
      floor: 0.02,
      alpha: 0.05,
      method: 'exact',
    });
    // All four above all nine: one choice of C(13, 4).
    expect(verdict.comparison?.p).toBeCloseTo(1 / 715, 10);
    expect(verdict.comparison?.shift).toBeCloseTo(0.041, 3);
    expect(verdict.why).toMatch(
      /^4 changed hosts use 0\.041\d* cores more than 9 control hosts \(0\.071\d* against 0\.030\d*, p 0\.0014\); allowed 0\.02 cores$/,
    );
    expect(verdict.offenders.map(({ hostName }) => hostName).sort()).toEqual([
      'web-0',
      'web-1',
      'web-2',
      'web-3',
    ]);
  });

  it('and over the limit too: the limit is said first, then the comparison', () => {
    const { verdict } = judged({ changed: some(4, 'web', 0.4), control: some(9, 'old', 0.03) });
    expect(verdict.kind).toBe('fail');
    expect(verdict.why).toMatch(
      /^web-3 used 0\.401 cores at 03:13:00 UTC, limit 0\.1 cores.*; 4 changed hosts use/,
    );
  });

  it('by less than matters: passes, and says that it was seen', () => {
    const { verdict } = judged({ changed: some(9, 'web', 0.04), control: some(9, 'old', 0.03) });
    expect(verdict).toMatchObject({ kind: 'pass', comparison: { kind: 'alike' } });
    expect(verdict.comparison?.p).toBeLessThan(0.001);
    expect(verdict.why).toMatch(/like 9 control hosts .*; 0\.01\d* cores worse, allowed 0\.02 cores/);
  });

  it('by a share of what control uses, where that is more than the fixed floor', () => {
    const heavy = { ...cpu, limit: 5 };
    const by = (rise: number) =>
      judged({ gate: heavy, changed: some(6, 'web', 1 + rise), control: some(9, 'old', 1) }).verdict;
    expect(by(0.2)).toMatchObject({ kind: 'pass', comparison: { kind: 'alike' } });
    expect(by(0.3)).toMatchObject({ kind: 'fail', comparison: { kind: 'worse' } });
  });

  it('by using less, where less is bad', () => {
    const rows = {
      ...cpu,
      unit: 'rows/min',
      direction: 'below',
      limit: 0,
      compare: { ...compare, effect: 3, relativeEffect: 0.5 },
    } as const;
    const { verdict } = judged({ gate: rows, changed: some(4, 'web', 2), control: some(9, 'old', 10) });
    expect(verdict.kind).toBe('fail');
    expect(verdict.why).toMatch(/^4 changed hosts have 8 rows\/min less than 9 control hosts/);
    expect(judged({ gate: rows, changed: some(4, 'web', 10), control: some(9, 'old', 2) }).verdict.kind).toBe(
      'pass',
    );
  });

  it('is seen through hosts of different weight, each against its own time before', () => {
    // Changed hosts are the small ones: they use less than control, and half as much again as they did.
    const { verdict } = judged({
      changed: some(4, 'small', 0.06).map((one) => ({ ...one, before: 0.03 })),
      control: some(9, 'large', 0.09).map((one) => ({ ...one, before: 0.09 })),
    });
    expect(verdict).toMatchObject({ kind: 'fail', comparison: { kind: 'worse', basis: 'difference' } });
    expect(verdict.why).toContain('each against its own time before');
  });
});

describe('a bad day', () => {
  const busy = (n: number, name: string, stratum?: string) =>
    some(n, name, 0.15, { before: 0.04, ...(stratum === undefined ? {} : { stratum }) });

  it('that hits control as well is not blamed on the version, and is no pass', () => {
    const { verdict, judgement } = judged({ changed: busy(4, 'web'), control: busy(9, 'old') });
    expect(verdict).toMatchObject({ kind: 'inconclusive', siteWide: true, comparison: { kind: 'alike' } });
    expect(judgement).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    expect(verdict.why).toMatch(
      /^web-3 used 0\.151 cores .*; not blamed on the version: control hosts have risen alike.*; waiting$/,
    );
  });

  it('below the limit passes, whatever it was before', () => {
    const { verdict } = judged({
      changed: some(4, 'web', 0.08, { before: 0.02 }),
      control: some(9, 'old', 0.08, { before: 0.02 }),
    });
    expect(verdict).toMatchObject({ kind: 'pass', comparison: { kind: 'alike' } });
  });

  it('on which one host is over the limit and as many control hosts are: not blamed', () => {
    const mixed = (name: string, n: number) =>
      some(n, name, 0.03).map((one, index) => (index === 0 ? { ...one, now: 0.5 } : one));
    const { verdict } = judged({ changed: mixed('web', 4), control: mixed('old', 9) });
    expect(verdict).toMatchObject({ kind: 'inconclusive', siteWide: true });
    expect(verdict.why).toContain('not blamed on the version: 1 of 9 control hosts is over it too; waiting');
    expect(verdict.offenders.map(({ hostName }) => hostName)).toEqual(['web-0']);
  });

  it('one host over the limit and no control host at all: the limit decides', () => {
    const changed = some(4, 'web', 0.03).map((one, index) => (index === 0 ? { ...one, now: 0.5 } : one));
    expect(judged({ changed, control: some(9, 'old', 0.03) }).verdict.kind).toBe('fail');
  });

  it('a host that was over the limit before the change holds; one that has come to be fails', () => {
    const control = some(30, 'old', 0.03, { before: 0.03 });
    const others = some(3, 'web', 0.03, { before: 0.03 });
    const was = judged({ changed: [...others, { name: 'busy', now: 0.13, before: 0.13 }], control }).verdict;
    expect(was).toMatchObject({ kind: 'inconclusive', siteWide: true });
    const became = judged({
      changed: [...others, { name: 'busy', now: 0.13, before: 0.03 }],
      control,
    }).verdict;
    expect(became.kind).toBe('fail');
  });

  it('does not hide a version that is worse still', () => {
    const { verdict } = judged({ changed: some(4, 'web', 0.3, { before: 0.04 }), control: busy(9, 'old') });
    expect(verdict).toMatchObject({ kind: 'fail', comparison: { kind: 'worse' } });
    expect(verdict.why).toMatch(/^web-3 used 0\.301 cores .*; 4 changed hosts use/);
  });

  it('in one stratum only, where all changed hosts are: aligned with the control hosts of that stratum', () => {
    const { verdict } = judged({
      changed: busy(4, 'db', 'db'),
      control: [...busy(9, 'db-old', 'db'), ...some(30, 'web-old', 0.03, { before: 0.03, stratum: 'web' })],
    });
    expect(verdict).toMatchObject({ kind: 'inconclusive', siteWide: true, comparison: { kind: 'alike' } });
  });

  it('strata of different levels are not mixed up, with no time before to go by', () => {
    // The changed ones are mostly of the heavy stratum: all together they look much worse, and none is.
    const { verdict } = judged({
      gate: { ...cpu, limit: 1 },
      changed: [...some(8, 'db', 0.3, { stratum: 'db' }), ...some(2, 'web', 0.03, { stratum: 'web' })],
      control: [
        ...some(3, 'db-old', 0.3, { stratum: 'db' }),
        ...some(30, 'web-old', 0.03, { stratum: 'web' }),
      ],
    });
    expect(verdict).toMatchObject({ kind: 'pass', comparison: { kind: 'alike' } });
  });
});

describe('a version that is bad in one role only', () => {
  const roles = ['web', 'api', 'db', 'ci', 'git'];
  const fleet = (n: number, name: string, badRole?: string) =>
    roles.flatMap((stratum) =>
      some(n, `${name}-${stratum}`, stratum === badRole ? 0.08 : 0.03, { stratum, before: 0.03 }),
    );

  it('is found there, though the mean is fine', () => {
    const { verdict } = judged({ changed: fleet(6, 'new', 'db'), control: fleet(6, 'old') });
    expect(verdict).toMatchObject({
      kind: 'fail',
      comparison: { kind: 'worse', stratum: 'db', changed: 6, control: 6 },
    });
    expect(verdict.comparison?.shift).toBeCloseTo(0.05, 3);
    expect(verdict.why).toMatch(/^6 changed hosts \(db\) use 0\.05 cores more/);
    expect(verdict.offenders.every(({ hostName }) => hostName.startsWith('new-db'))).toBe(true);
  });

  it('with a single changed host of the role is found among the residuals of many control hosts', () => {
    const two = (n: number, name: string, at: number) => [
      ...some(n, `${name}-web`, 0.03, { stratum: 'web', before: 0.03 }),
      ...some(n, `${name}-db`, at, { stratum: 'db', before: 0.03 }),
    ];
    const { verdict } = judged({ changed: two(1, 'new', 0.08), control: two(30, 'old', 0.03) });
    expect(verdict).toMatchObject({
      kind: 'fail',
      comparison: { kind: 'worse', stratum: 'db', changed: 1, control: 60 },
    });
    const few = judged({ changed: two(1, 'new', 0.08), control: two(4, 'old', 0.03) });
    expect(few.verdict.kind).not.toBe('fail');
  });

  it('a role whose control rose with it is not blamed, though no other role did', () => {
    const { verdict } = judged({ changed: fleet(6, 'new', 'db'), control: fleet(6, 'old', 'db') });
    expect(verdict).toMatchObject({ kind: 'pass', comparison: { kind: 'alike' } });
  });
});

describe('too few to tell', () => {
  const few = { changed: some(1, 'web', 0.03), control: some(5, 'old', 0.03) };

  it('holds where the gate says so, and says what would be enough', () => {
    const { verdict, judgement } = judged(few);
    expect(judgement).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    expect(verdict.comparison).toMatchObject({
      kind: 'too-few',
      changed: 1,
      control: 5,
      enough: { control: 19, changed: 2 },
    });
    expect(verdict.comparison?.p).toBeUndefined();
    expect(verdict.why).toBe(
      'nothing can be told yet, which is no pass: 1 changed host and 5 control hosts with enough numbers are too few to tell at 0.05; within one kind of host (waves.strata) 19 control hosts or 2 changed hosts would be enough',
    );
  });

  it('leaves it to the limit where the gate says that, and never claims that the comparison passed', () => {
    const gate = { ...cpu, compare: { ...compare, tooFew: 'abstain' } } as const;
    const { verdict } = judged({ gate, ...few });
    expect(verdict).toMatchObject({ kind: 'pass', comparison: { kind: 'too-few' } });
    expect(verdict.why).toContain('; the comparison told nothing: 1 changed host and 5 control hosts');
    expect(judged({ gate, changed: some(1, 'web', 0.4), control: few.control }).verdict.kind).toBe('fail');
  });

  it('over the limit alone fails all the same; where control is over it too, nobody is blamed', () => {
    expect(judged({ ...few, changed: some(1, 'web', 0.4) }).verdict.kind).toBe('fail');
    const all = judged({ changed: some(1, 'web', 0.4), control: some(5, 'old', 0.3) }).verdict;
    expect(all).toMatchObject({ kind: 'inconclusive', siteWide: true });
    expect(all.why).toContain('5 of 5 control hosts are over it too');
  });

  it('as long as the version has not had its time: numbers whose window reaches back before the change do not count', () => {
    const gate = { ...cpu, minCoverage: 0.6 };
    const control = some(30, 'old', 0.03);
    const since = (steps: number) =>
      judged({
        gate,
        changed: some(4, 'web', 0.08).map((one) => ({ ...one, changedAt: T0 + (1 - steps) * STEP })),
        control,
      }).verdict;
    // Two steps old: one of them has its window wholly behind the change.
    expect(since(2)).toMatchObject({ kind: 'inconclusive', silent: [] });
    expect(since(4)).toMatchObject({ kind: 'fail', comparison: { kind: 'worse', changed: 4 } });
  });
});

describe('what came before the change', () => {
  it('is not compared as if it were the version’s', () => {
    const changed = some(4, 'web', 0).map((one) => ({ ...one, now: [0.03, 0.03, 0.03, 0.08, 0.08] }));
    const control = some(30, 'old', 0.03);
    const young = changed.map((one) => ({ ...one, changedAt: T0 - 2 * STEP }));
    expect(judged({ changed: young, control }).verdict).toMatchObject({
      kind: 'fail',
      comparison: { kind: 'worse' },
    });
    expect(judged({ changed, control }).verdict.kind).toBe('pass');
  });

  it('nor are numbers of which a part is from before: their window must lie wholly behind the change', () => {
    const now = [0.03, 0.03, 0.03, 0.065, 0.065];
    const changed = some(4, 'web', 0).map((one) => ({ ...one, now, changedAt: T0 - 3 * STEP }));
    const kindOf = (windowMs: number) =>
      judged({ gate: { ...cpu, windowMs }, changed, control: some(30, 'old', 0.03) }).verdict.comparison
        ?.kind;
    expect([kindOf(3 * STEP), kindOf(STEP)]).toEqual(['worse', 'alike']);
  });

  it('nor is what a start does once, where the gate says how long that takes', () => {
    const changed = some(4, 'web', 0).map((one) => ({
      ...one,
      now: [0.08, 0.08, 0.08, 0.03, 0.03],
      changedAt: T0 - 4 * STEP,
    }));
    const kindOf = (settleMs: number) =>
      judged({
        gate: { ...cpu, compare: { ...compare, settleMs } },
        changed,
        control: some(30, 'old', 0.03),
      }).verdict.comparison?.kind;
    expect([kindOf(0), kindOf(2.5 * STEP)]).toEqual(['worse', 'alike']);
  });
});

describe('a comparison that nothing lies far enough behind the change for', () => {
  const changed = some(4, 'web', 0.03).map((one) => ({ ...one, changedAt: T0 - STEP }));
  const control = some(30, 'old', 0.03);
  const early = (more: Partial<GatePolicy>) =>
    judged({ gate: { ...cpu, ...more, compare: { ...compare, settleMs: 3 * STEP } }, changed, control });

  it('says from when on there will be something, and not that hosts are too few', () => {
    const { verdict } = early({});
    expect(verdict).toMatchObject({
      kind: 'inconclusive',
      comparison: { kind: 'too-few', changed: 0, notBefore: T0 + 3 * STEP },
    });
    expect(verdict.why).toBe(
      'nothing can be told yet, which is no pass: hosts are compared from 03:15:00 UTC on, when what a start does lies behind them',
    );
    const passing = judged({
      gate: { ...cpu, compare: { ...compare, settleMs: 3 * STEP, tooFew: 'abstain' } },
      changed,
      control,
    }).verdict;
    expect(passing.kind).toBe('pass');
    expect(passing.why).toMatch(/limit 0\.1 cores; hosts are compared from 03:15:00 UTC on, when/);
  });

  it('waits for as many numbers as the gate asks for', () => {
    expect(early({ minCoverage: 0.6, minSamples: 1 }).verdict.comparison?.notBefore).toBe(T0 + 5 * STEP);
  });

  it('with the time before, waits for the first of the hosts', () => {
    const gate = { ...cpu, compare: { ...compare, with: 'before', settleMs: 3 * STEP } as const };
    const young = some(4, 'web', 0.03, { before: 0.03 }).map((one, index) => ({
      ...one,
      changedAt: T0 - STEP + index * 10_000,
    }));
    expect(judged({ gate, changed: young }).verdict.comparison?.notBefore).toBe(T0 + 3 * STEP);
  });

  it('of hosts that have no number, and were changed long ago, is one of too few', () => {
    const { verdict } = judged({ changed: [{ name: 'web', now: null, changedAt: T0 - 60 * STEP }], control });
    expect(verdict.comparison).toMatchObject({ kind: 'too-few', changed: 0 });
    expect(verdict.comparison).not.toHaveProperty('notBefore');
  });
});

describe('where no control is left', () => {
  it('a gate that compares with control falls back to its limit, and says so', () => {
    const { verdict } = judged({ changed: some(9, 'web', 0.08) });
    expect(verdict.kind).toBe('pass');
    expect(verdict.comparison).toBeUndefined();
    expect(verdict.why).toMatch(/; no host is left to compare with, so the limit alone decides$/);
    expect(judged({ changed: some(9, 'web', 0.11) }).verdict.kind).toBe('fail');
  });

  const paired: GatePolicy = { ...cpu, compare: { ...compare, with: 'before' } };
  it('a gate that compares with before finds what its own limit does not', () => {
    const { verdict } = judged({ gate: paired, changed: some(8, 'web', 0.07, { before: 0.03 }) });
    expect(verdict).toMatchObject({
      kind: 'fail',
      comparison: { with: 'before', kind: 'worse', changed: 8 },
    });
    expect(verdict.comparison?.p).toBeCloseTo(1 / 256, 10);
    expect(verdict.why).toMatch(
      /^8 changed hosts use 0\.04\d* cores more than before \(0\.07\d* against 0\.03, p 0\.0039\)/,
    );
  });

  it('and passes what is as it was, holds with too few pairs, and finds one role', () => {
    expect(judged({ gate: paired, changed: some(8, 'web', 0.03, { before: 0.03 }) }).verdict.kind).toBe(
      'pass',
    );
    const few = judged({
      gate: paired,
      changed: some(8, 'web', 0.03).map((one, n) => (n < 3 ? { ...one, before: 0.03 } : one)),
    });
    expect(few.verdict).toMatchObject({ kind: 'inconclusive', comparison: { kind: 'too-few', control: 3 } });
    expect(few.verdict.why).toContain('only 3 of 8 changed hosts have numbers of before and after');
    const role = judged({
      gate: paired,
      changed: [
        ...some(9, 'db', 0.07, { before: 0.03, stratum: 'db' }),
        ...some(20, 'web', 0.03, { before: 0.031, stratum: 'web' }),
      ],
    });
    expect(role.verdict).toMatchObject({
      kind: 'fail',
      comparison: { kind: 'worse', stratum: 'db', changed: 9 },
    });
  });
});

describe('trouble with the numbers', () => {
  it('a changed host without control of its kind, and without a time before, is judged by the limit alone, and counted so', () => {
    const control = some(9, 'old', 0.03, { stratum: 'web' });
    const changed = some(4, 'web', 0.03, { stratum: 'web' });
    const lone = (now: number) =>
      judged({ changed: [...changed, { name: 'lone', now, stratum: 'db' }], control }).verdict;
    expect(lone(0.09)).toMatchObject({ kind: 'pass', comparison: { changed: 4 } });
    expect(lone(0.09).why).toContain('; 4 of them like 9 control hosts');
    expect(lone(0.11).kind).toBe('fail');
  });

  it('a silent control host is not counted; a silent changed host holds', () => {
    const control = [
      ...some(9, 'old', 0.03),
      { name: 'gone', now: null },
      { name: 'mad', now: [Number.NaN, null, null, null, Number.NaN] },
    ];
    const changed = some(4, 'web', 0.03);
    expect(judged({ changed, control }).verdict).toMatchObject({
      kind: 'pass',
      silent: [],
      comparison: { control: 9 },
    });
    const { verdict } = judged({ changed: [...changed, { name: 'web-9', now: null }], control });
    expect(verdict).toMatchObject({ kind: 'inconclusive', silent: ['web-9'] });
  });

  it('half of the control silent, or of more than one series: the other half serves', () => {
    const half = some(20, 'old', 0.03).map((one, index) => (index % 2 === 0 ? { ...one, now: null } : one));
    const ambiguous = half.filter((_, index) => index % 10 === 1).map(({ name }) => name);
    const { verdict } = judged({ changed: some(4, 'web', 0.071), control: half, ambiguous });
    expect(verdict).toMatchObject({ kind: 'fail', comparison: { kind: 'worse', control: 8 } });
  });

  it('all of the control silent: too few, not "none left"', () => {
    const control = some(9, 'old', 0.03).map((one) => ({ ...one, now: null }));
    expect(judged({ changed: some(4, 'web', 0.03), control }).verdict).toMatchObject({
      kind: 'inconclusive',
      comparison: { kind: 'too-few', control: 0, enough: { control: 3 } },
    });
  });

  it('constants: nothing differs, so nothing is worse, and that is told', () => {
    const same = (n: number, name: string) =>
      Array.from({ length: n }, (_, index) => ({ name: `${name}${index}`, now: 0 }));
    const { verdict } = judged({ changed: same(4, 'web'), control: same(9, 'old') });
    expect(verdict).toMatchObject({ kind: 'pass', comparison: { kind: 'alike', p: 1, shift: 0 } });
  });

  it('one host far out among many does not make the others worse', () => {
    const changed = some(9, 'web', 0.03).map((one, index) => (index === 0 ? { ...one, now: 1e9 } : one));
    const { verdict } = judged({ gate: { ...cpu, limit: 1e12 }, changed, control: some(9, 'old', 0.03) });
    expect(verdict).toMatchObject({ kind: 'pass', comparison: { kind: 'alike' } });
    expect(Math.abs(verdict.comparison?.shift ?? 1)).toBeLessThan(0.001);
  });

  it('one spike in a series is not the level; a step of infinity is no number', () => {
    const changed = some(4, 'web', 0.03).map((one) => ({
      ...one,
      now: [0.03, 0.09, 0.03, Number.POSITIVE_INFINITY, 0.03],
    }));
    expect(judged({ changed, control: some(9, 'old', 0.03) }).verdict).toMatchObject({ kind: 'pass' });
  });

  it('negative numbers, and a before of NaN, do no harm', () => {
    const { verdict } = judged({
      gate: { ...cpu, limit: 1 },
      changed: some(4, 'web', -0.3, { before: Number.NaN }),
      control: some(9, 'old', -0.5, { before: Number.NaN }),
    });
    expect(verdict).toMatchObject({
      kind: 'fail',
      comparison: { kind: 'worse', basis: 'level', floor: expect.closeTo(0.125, 2) },
    });
  });

  it('differences and levels are never mixed: with too few befores, all are compared as they are', () => {
    const { verdict } = judged({
      changed: some(4, 'web', 0.03).map((one, index) => (index < 2 ? { ...one, before: 0.9 } : one)),
      control: some(9, 'old', 0.03, { before: 0.03 }),
    });
    expect(verdict.comparison).toMatchObject({ kind: 'alike', basis: 'level', changed: 4, control: 9 });
  });
});

describe('for any numbers', () => {
  const value = fc.oneof(
    { weight: 6, arbitrary: fc.double({ min: 0, max: 0.2, noNaN: true }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(null, Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300, -1e300, 0),
    },
  );
  const host = fc.record({
    stratum: fc.constantFrom('a', 'b', 'c'),
    now: fc.array(value, { minLength: OVER, maxLength: OVER }),
    before: fc.option(fc.double({ min: 0, max: 0.2 }), { nil: undefined }),
  });
  const named = (
    hosts: readonly { stratum: string; now: (number | null)[]; before: number | undefined }[],
    name: string,
  ): One[] =>
    hosts.map(({ stratum, now, before }, index) => ({
      name: `${name}${index}`,
      stratum,
      now,
      ...(before === undefined ? {} : { before }),
    }));
  const sides = [fc.array(host, { maxLength: 8 }), fc.array(host, { maxLength: 8 })] as const;

  it('a verdict is whole, passes nobody who is silent, and does not depend on the order of hosts', () => {
    fc.assert(
      fc.property(...sides, fc.constantFrom('control', 'before'), (changed, control, other) => {
        const gate = { ...cpu, compare: { ...compare, with: other } } as const;
        const input = { gate, changed: named(changed, 'c'), control: named(control, 'o') };
        const { verdict } = judged(input);
        const newest = changed.map(({ now }) => now.at(-1) ?? Number.NaN);
        if (verdict.kind === 'pass')
          expect(newest.every((one) => Number.isFinite(one) && one <= 0.1)).toBe(true);
        const { p, shift, kind } = verdict.comparison ?? {};
        if (kind === 'worse' || kind === 'alike') {
          expect(p).toBeGreaterThan(0);
          expect(p).toBeLessThanOrEqual(1);
          expect(shift).not.toBeNaN();
        } else expect(p).toBeUndefined();
        expect(verdict.why).not.toMatch(/NaN|undefined/);
        const turned = judged({
          ...input,
          changed: input.changed.toReversed(),
          control: input.control.toReversed(),
        });
        expect(turned.verdict.kind).toBe(verdict.kind);
        expect(turned.verdict.comparison).toEqual(verdict.comparison);
      }),
      { numRuns: 300 },
    );
  });

  it('a control host that is silent changes nothing', () => {
    const [changedHosts, controlHosts] = sides;
    const atLeastOne = controlHosts.filter((control) => control.length > 0);
    fc.assert(
      fc.property(changedHosts, atLeastOne, (changed, control) => {
        const [left, right] = [named(changed, 'c'), named(control, 'o')];
        const silent: One = { name: 'silent', stratum: 'a', now: null };
        const { verdict } = judged({ changed: left, control: [...right, silent] });
        expect(verdict).toEqual(judged({ changed: left, control: right }).verdict);
      }),
      { numRuns: 100 },
    );
  });
});
