/** Hosts over the limit that are too few to be the version's doing: a small wave waits for them, a large fleet bears them (K6). */
import { describe, expect, it } from 'vitest';
import type { GateMeasurement, Sample } from '../../src/domain/gate.ts';
import { judge } from '../../src/domain/judge.ts';
import type { GateComparison, GatePolicy } from '../../src/domain/policy.ts';

const T0 = Date.parse('2026-03-01T03:12:00Z');
const STEP = 60_000;

const share: GatePolicy = {
  name: 'agent-cpu',
  query: 'q',
  unit: 'cores',
  direction: 'above',
  limit: 0.1,
  windowMs: 60_000,
  forMs: 0,
  weight: { kind: 'share', share: 0.5 },
};

const named = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: `${prefix}-${index + 1}`,
    name: `${prefix}-${index + 1}`,
  }));

interface Asked {
  readonly gate?: GatePolicy;
  readonly hosts: number;
  /** Numbers of the first hosts at each step of the span; all others have 0.02. */
  readonly rows: readonly (readonly (number | null)[])[];
  /** Numbers of control hosts; absent: there is none. */
  readonly controls?: readonly number[];
}

function judged({ gate = share, hosts, rows, controls = [] }: Asked) {
  const steps = rows[0]?.length ?? 1;
  const series = (row: readonly (number | null)[]): Sample[] =>
    row.flatMap((value, index) => (value === null ? [] : [{ at: T0 + (index + 1) * STEP, value }]));
  const all = named('db', hosts);
  const others = named('old', controls.length);
  const usual = Array.from({ length: steps }, () => 0.02);
  const byHost = new Map([
    ...all.map(({ id }, index) => [id, series(rows[index] ?? usual)] as const),
    ...others.map(({ id }, index) => [id, series(usual.map(() => controls[index] ?? 0.02))] as const),
  ]);
  const outcome = { kind: 'measured', byHost, ambiguous: [], warnings: [] } as const;
  const measurement: GateMeasurement = { gate, query: 'q', outcome };
  return judge({
    measurements: [measurement],
    hosts: all,
    controls: others,
    from: T0,
    to: T0 + steps * STEP,
    stepMs: STEP,
  });
}

describe('one canary of four at five times the limit', () => {
  it('neither passes nor fails, and the time does not count', () => {
    const judgement = judged({ hosts: 4, rows: [[0.5]] });
    expect(judgement).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    expect(judgement.gates[0]?.offenders.map(({ hostName }) => hostName)).toEqual(['db-1']);
    expect(judgement.gates[0]?.why).toBe(
      '1 of 4 hosts is over it (db-1 0.5 cores): too few to blame the version, too many to pass; limit 0.1 cores',
    );
  });

  it('is waited for until it is over', () => {
    expect(judged({ hosts: 4, rows: [[0.5, 0.5, 0.02]] })).toMatchObject({ kind: 'pass', observedMs: STEP });
  });

  it('counts once it has lasted for `for`', () => {
    const gate = { ...share, forMs: 2 * STEP };
    expect(judged({ gate, hosts: 4, rows: [[0.5, 0.5]] })).toMatchObject({
      kind: 'pass',
      observedMs: 2 * STEP,
    });
    const lasted = judged({ gate, hosts: 4, rows: [[0.5, 0.5, 0.5]] });
    expect(lasted).toMatchObject({ kind: 'inconclusive', observedMs: 2 * STEP });
    expect(lasted.gates[0]?.why).toMatch(/limit 0.1 cores, for 2m or longer$/);
  });

  it('of four of which three are over it, it fails as before', () => {
    expect(judged({ hosts: 4, rows: [[0.5], [0.5], [0.5]] }).kind).toBe('fail');
  });

  it('is no failing evaluation, however often', () => {
    const gate = { ...share, failures: 1 };
    const judgement = judged({ gate, hosts: 4, rows: [[0.5]] });
    expect(judgement.kind).toBe('inconclusive');
    expect(judgement.gates[0]?.streak).toBeUndefined();
  });

  it('beside a silent one, of a gate that abstains without data: it still holds', () => {
    const gate = { ...share, noData: 'abstain' } as const;
    const judgement = judged({ gate, hosts: 4, rows: [[0.5], [null]] });
    expect(judgement).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    expect(judgement.gates[0]?.abstains).toBeUndefined();
  });

  it('is silent where silence counts as over the limit: the same', () => {
    const gate = { ...share, noData: 'fail' } as const;
    const judgement = judged({ gate, hosts: 4, rows: [[null]] });
    expect(judgement).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    expect(judgement.gates[0]?.why).toMatch(/^1 of 4 hosts is over it \(db-1 no number\): too few to blame/);
  });
});

describe('how many are borne', () => {
  const kindOf = (over: number, hosts: number) =>
    judged({ hosts, rows: Array.from({ length: over }, () => [0.5]) }).kind;

  it('up to one in twenty: 1 of 20 and 50 of 1,000, not 1 of 19 or 51 of 1,000', () => {
    expect([kindOf(1, 20), kindOf(50, 1_000)]).toEqual(['pass', 'pass']);
    expect([kindOf(1, 19), kindOf(51, 1_000)]).toEqual(['inconclusive', 'inconclusive']);
  });

  it('gates that fail on any host, or look at a quantile, are as they were', () => {
    const any = { ...share, weight: { kind: 'any' } } as const;
    expect(judged({ gate: any, hosts: 4, rows: [[0.5]] }).kind).toBe('fail');
    const half = { ...share, weight: { kind: 'quantile', quantile: 0.5 } } as const;
    expect(judged({ gate: half, hosts: 4, rows: [[0.5]] })).toMatchObject({ kind: 'pass', observedMs: STEP });
  });
});

describe('control hosts', () => {
  const compare: GateComparison = {
    with: 'control',
    effect: 0.02,
    relativeEffect: 0,
    alpha: 0.01,
    overMs: STEP,
    beforeMs: STEP,
    tooFew: 'abstain',
  };
  const gate = { ...share, compare };

  it('that are over it as well excuse it: it is borne as before', () => {
    const judgement = judged({ gate, hosts: 4, rows: [[0.5]], controls: [0.5, 0.5, 0.02, 0.02] });
    expect(judgement).toMatchObject({ kind: 'pass', observedMs: STEP });
  });

  it('that are calm do not', () => {
    const judgement = judged({ gate, hosts: 4, rows: [[0.5]], controls: [0.02, 0.02, 0.02, 0.02] });
    expect(judgement).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
  });
});
