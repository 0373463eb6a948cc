import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GateMeasurement, Sample } from '../../src/domain/gate.ts';
import { judge, worstKind } from '../../src/domain/judge.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';

const T0 = Date.parse('2026-03-01T03:12:00Z');
const STEP = 5_000;

const cpu: GatePolicy = {
  name: 'agent-cpu',
  query: 'q',
  unit: 'cores',
  direction: 'above',
  limit: 0.1,
  windowMs: 60_000,
  forMs: 0,
};
const alive: GatePolicy = { ...cpu, name: 'agent-alive', unit: 'processes', direction: 'below', limit: 1 };

/** A host's numbers at steps 1, 2, ... of the span; null: no sample. */
type Row = readonly (number | null)[];

function samples(row: Row, firstStep = 1): Sample[] {
  return row.flatMap((value, index) =>
    value === null ? [] : [{ at: T0 + (index + firstStep) * STEP, value }],
  );
}

interface Rows {
  readonly [host: string]: Row;
}

function measured(
  gate: GatePolicy,
  rows: Rows,
  extra: { ambiguous?: string[]; warnings?: string[]; firstStep?: number } = {},
) {
  return {
    gate,
    query: 'q',
    outcome: {
      kind: 'measured',
      byHost: new Map(Object.entries(rows).map(([id, row]) => [id, samples(row, extra.firstStep)])),
      ambiguous: extra.ambiguous ?? [],
      warnings: extra.warnings ?? [],
    },
  } satisfies GateMeasurement;
}

const hosts = (...ids: string[]) => ids.map((id) => ({ id, name: id }));

function judged(measurements: readonly GateMeasurement[], ids: readonly string[], steps: number) {
  return judge({ measurements, hosts: hosts(...ids), from: T0, to: T0 + steps * STEP, stepMs: STEP });
}

describe('judge, one gate', () => {
  const forTen: GatePolicy = { ...cpu, forMs: 10_000 };
  const table: readonly {
    readonly name: string;
    readonly measurement: GateMeasurement;
    readonly hosts?: readonly string[];
    readonly steps: number;
    readonly kind: string;
    readonly observedSteps: number;
    readonly silent?: readonly string[];
    readonly offenders?: readonly string[];
    readonly why: string | RegExp;
  }[] = [
    {
      name: 'healthy at every step passes and all of it was observed',
      measurement: measured(cpu, { h1: [0.01, 0.02], h2: [0.03, 0.01] }),
      steps: 2,
      kind: 'pass',
      observedSteps: 2,
      why: '2 hosts, 4 samples, worst 0.03 cores, limit 0.1 cores',
    },
    {
      name: 'exactly at the limit is not over it',
      measurement: measured(cpu, { h1: [0.1], h2: [0.1] }),
      steps: 1,
      kind: 'pass',
      observedSteps: 1,
      why: /worst 0.1 cores/,
    },
    {
      name: 'one step over the limit fails without a for',
      measurement: measured(cpu, { h1: [0.412, 0.02], h2: [0.03, 0.01] }),
      steps: 2,
      kind: 'fail',
      observedSteps: 1,
      offenders: ['h1'],
      why: 'h1 used 0.412 cores at 03:12:05 UTC, limit 0.1 cores',
    },
    {
      name: 'the worst host is named first and the others counted',
      measurement: measured(cpu, { h1: [0.2], h2: [0.9] }),
      steps: 1,
      kind: 'fail',
      observedSteps: 0,
      offenders: ['h2', 'h1'],
      why: 'h2 used 0.9 cores at 03:12:05 UTC, limit 0.1 cores, and so did 1 other',
    },
    {
      name: 'a number just over the limit is not rounded to it',
      measurement: measured(cpu, { h1: [0.10004], h2: [0.01] }),
      steps: 1,
      kind: 'fail',
      observedSteps: 0,
      offenders: ['h1'],
      why: 'h1 used 0.10004 cores at 03:12:05 UTC, limit 0.1 cores',
    },
    {
      name: 'a gate with direction below fails on a dead agent',
      measurement: measured(alive, { h1: [0], h2: [2] }),
      steps: 1,
      kind: 'fail',
      observedSteps: 0,
      offenders: ['h1'],
      why: 'h1 had 0 processes at 03:12:05 UTC, must be at least 1 processes',
    },
    {
      name: 'bytes are shown in megabytes',
      measurement: measured({ ...cpu, unit: 'bytes', limit: 250e6 }, { h1: [312_400_000], h2: [1] }),
      steps: 1,
      kind: 'fail',
      observedSteps: 0,
      offenders: ['h1'],
      why: 'h1 used 312 MB at 03:12:05 UTC, limit 250 MB',
    },
    {
      name: 'over the limit for shorter than for, and still: holds',
      measurement: measured(forTen, { h1: [0.01, 0.2, 0.2], h2: [0.01, 0.01, 0.01] }),
      steps: 3,
      kind: 'inconclusive',
      observedSteps: 1,
      offenders: ['h1'],
      why: /^h1 used 0.2 cores at 03:12:10 UTC, limit 0.1 cores; it counts after 10s without a break$/,
    },
    {
      name: 'over the limit for as long as for: fails',
      measurement: measured(forTen, { h1: [0.2, 0.3, 0.2], h2: [0.01, 0.01, 0.01] }),
      steps: 3,
      kind: 'fail',
      observedSteps: 0,
      offenders: ['h1'],
      why: /^h1 used 0.3 cores at 03:12:10 UTC, limit 0.1 cores, for 10s or longer$/,
    },
    {
      name: 'an excess that began before the span fails at its first step',
      measurement: measured(forTen, { h1: [0.2, 0.2, 0.2], h2: [0.1, 0.1, 0.1] }, { firstStep: -1 }),
      steps: 1,
      kind: 'fail',
      observedSteps: 0,
      offenders: ['h1'],
      why: /limit 0.1 cores, for 10s or longer/,
    },
    {
      name: 'an excess that was over before the span is not judged again',
      measurement: measured(forTen, { h1: [0.2, 0.2, 0.01], h2: [0.1, 0.1, 0.1] }, { firstStep: -1 }),
      steps: 1,
      kind: 'pass',
      observedSteps: 1,
      why: /worst 0.1 cores/,
    },
    {
      name: 'an excess that ended by itself costs observed time only',
      measurement: measured(forTen, { h1: [0.2, 0.2, 0.01], h2: [0.01, 0.01, 0.01] }),
      steps: 3,
      kind: 'pass',
      observedSteps: 1,
      offenders: ['h1'],
      why: /1 host went over it for a while/,
    },
    {
      name: 'a healthy step begins the count of for anew',
      measurement: measured(forTen, { h1: [0.2, 0.2, 0.01, 0.2, 0.2], h2: [0, 0, 0, 0, 0] }),
      steps: 5,
      kind: 'inconclusive',
      observedSteps: 1,
      offenders: ['h1'],
      why: /it counts after 10s/,
    },
    {
      name: 'a missing step begins the count of for anew and is never healthy',
      measurement: measured(forTen, { h1: [0.2, 0.2, null, 0.2, 0.2], h2: [0, 0, 0, 0, 0] }),
      steps: 5,
      kind: 'inconclusive',
      observedSteps: 0,
      offenders: ['h1'],
      why: /it counts after 10s/,
    },
    {
      name: 'no sample of any host: no data is never a pass',
      measurement: measured(cpu, {}),
      steps: 2,
      kind: 'inconclusive',
      observedSteps: 0,
      silent: ['h1', 'h2'],
      why: 'no usable number at 03:12:10 UTC for h1, h2, none of 2 answered',
    },
    {
      name: 'one host silent at the newest step holds and is named',
      measurement: measured(cpu, { h1: [0.01, 0.01], h2: [0.01, null] }),
      steps: 2,
      kind: 'inconclusive',
      observedSteps: 1,
      silent: ['h2'],
      why: 'no usable number at 03:12:10 UTC for h2',
    },
    {
      name: 'a gap that is over costs observed time only',
      measurement: measured(cpu, { h1: [0.01, 0.01, 0.01], h2: [0.01, null, 0.02] }),
      steps: 3,
      kind: 'pass',
      observedSteps: 2,
      why: /5 samples/,
    },
    {
      name: 'NaN is no number',
      measurement: measured(cpu, { h1: [Number.NaN], h2: [0.01] }),
      steps: 1,
      kind: 'inconclusive',
      observedSteps: 0,
      silent: ['h1'],
      why: /no usable number .* for h1$/,
    },
    {
      name: 'infinity is neither over the limit nor healthy',
      measurement: measured(cpu, { h1: [Number.POSITIVE_INFINITY], h2: [Number.NEGATIVE_INFINITY] }),
      steps: 1,
      kind: 'inconclusive',
      observedSteps: 0,
      silent: ['h1', 'h2'],
      why: /none of 2 answered/,
    },
    {
      name: 'two series for one host are never a pass',
      measurement: measured(cpu, { h1: [0.01], h2: [0.01] }, { ambiguous: ['h2'] }),
      steps: 1,
      kind: 'inconclusive',
      observedSteps: 0,
      silent: ['h2'],
      why: /^more than one series for h2, .*prometheus.matchers/,
    },
    {
      name: 'a fail beside an ambiguous host is a fail',
      measurement: measured(cpu, { h1: [0.5], h2: [0.01] }, { ambiguous: ['h2'] }),
      steps: 1,
      kind: 'fail',
      observedSteps: 0,
      silent: ['h2'],
      offenders: ['h1'],
      why: /^h1 used 0.5 cores/,
    },
    {
      name: 'an answer that is not whole is no witness against the version either',
      measurement: measured(cpu, { h1: [0.5], h2: [0.01] }, { warnings: ['store gone'] }),
      steps: 1,
      kind: 'inconclusive',
      observedSteps: 0,
      offenders: ['h1'],
      why: 'the metrics backend says that its answer is not whole: store gone',
    },
    {
      name: 'a backend error is error, never fail',
      measurement: {
        gate: cpu,
        query: 'q',
        outcome: { kind: 'backend-error', message: 'connection refused' },
      },
      steps: 2,
      kind: 'error',
      observedSteps: 0,
      why: 'the metrics backend could not answer: connection refused',
    },
    {
      name: 'no host to judge is inconclusive',
      measurement: measured(cpu, {}),
      hosts: [],
      steps: 2,
      kind: 'inconclusive',
      observedSteps: 0,
      why: 'there is no host to judge',
    },
    {
      name: 'a span shorter than a step is inconclusive',
      measurement: measured(cpu, { h1: [0.01], h2: [0.01] }),
      steps: 0.9,
      kind: 'inconclusive',
      observedSteps: 0,
      why: 'no data yet: the span holds no whole step of 5s',
    },
  ];

  it.each(table)('$name', (row) => {
    const judgement = judged([row.measurement], row.hosts ?? ['h1', 'h2'], row.steps);
    const [verdict] = judgement.gates;
    expect(judgement.kind).toBe(row.kind);
    expect(verdict?.kind).toBe(row.kind);
    expect(judgement.observedMs).toBe(row.observedSteps * STEP);
    expect(verdict?.silent).toEqual(row.silent ?? []);
    expect(verdict?.offenders.map((offender) => offender.hostName)).toEqual(row.offenders ?? []);
    expect(verdict?.why).toMatch(row.why);
  });

  it('names at most 20 silent hosts and 20 offenders', () => {
    const ids = Array.from({ length: 50 }, (_, index) => `h${index}`);
    const rows = Object.fromEntries(ids.slice(0, 25).map((id, index) => [id, [1 + index]]));
    const [verdict] = judged([measured(cpu, rows)], ids, 1).gates;
    expect(verdict?.offenders).toHaveLength(20);
    expect(verdict?.offenders[0]).toEqual({ hostId: 'h24', hostName: 'h24', value: 25, at: T0 + STEP });
    expect(verdict?.silent).toHaveLength(20);
  });
});

describe('judge, several gates', () => {
  it('without a gate there is no witness', () => {
    expect(judged([], ['h1'], 3)).toMatchObject({ kind: 'inconclusive', observedMs: 0, gates: [] });
  });

  it('a step counts only where every gate was healthy', () => {
    const judgement = judged(
      [measured(cpu, { h1: [null, 0.01, 0.01] }), measured(alive, { h1: [2, null, 2] })],
      ['h1'],
      3,
    );
    expect(judgement).toMatchObject({ kind: 'pass', observedMs: STEP });
  });

  it('fail beats error beats inconclusive beats pass', () => {
    expect(worstKind(['pass', 'inconclusive', 'error', 'fail'])).toBe('fail');
    expect(worstKind(['pass', 'error', 'inconclusive'])).toBe('error');
    expect(worstKind(['pass', 'inconclusive'])).toBe('inconclusive');
    expect(worstKind(['pass', 'pass'])).toBe('pass');
  });
});

describe('judge, for any data', () => {
  const ids = ['h1', 'h2', 'h3'];
  const value = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(0, 0.05, 0.1) },
    { weight: 2, arbitrary: fc.constantFrom(null, Number.NaN, Number.POSITIVE_INFINITY, 0.11, 7) },
  );
  const grid = fc.integer({ min: 1, max: 8 }).chain((steps) =>
    fc.record({
      steps: fc.constant(steps),
      forMs: fc.constantFrom(0, STEP, 3 * STEP),
      rows: fc.tuple(...ids.map(() => fc.array(value, { minLength: steps, maxLength: steps }))),
    }),
  );
  const asRows = (rows: readonly Row[]): Rows =>
    Object.fromEntries(rows.map((row, index) => [ids[index] ?? '', row]));

  it('passes only where the newest step is whole, and counts only whole healthy steps', () => {
    fc.assert(
      fc.property(grid, ({ steps, forMs, rows }) => {
        const judgement = judged([measured({ ...cpu, forMs }, asRows(rows))], ids, steps);
        const healthy = (step: number) =>
          rows.every((row) => {
            const at = row[step] ?? null;
            return at !== null && Number.isFinite(at) && at <= 0.1;
          });
        const whole = Array.from({ length: steps }, (_, step) => step).filter(healthy).length;
        expect(judgement.observedMs).toBe(whole * STEP);
        expect(judgement.kind !== 'pass' || healthy(steps - 1)).toBe(true);
      }),
    );
  });

  it('a longer span never has less observed time', () => {
    fc.assert(
      fc.property(grid, ({ steps, forMs, rows }) => {
        const measurements = [measured({ ...cpu, forMs }, asRows(rows))];
        const observed = Array.from({ length: steps }, (_, n) => judged(measurements, ids, n + 1).observedMs);
        expect(observed).toEqual(observed.toSorted((a, b) => a - b));
      }),
    );
  });

  it('a removed sample never adds observed time, and at the newest step never passes', () => {
    fc.assert(
      fc.property(grid, fc.nat(2), fc.nat(7), ({ steps, rows }, host, step) => {
        const before = judged([measured(cpu, asRows(rows))], ids, steps);
        const fewer = rows.map((row, index) => (index === host ? row.with(step % steps, null) : row));
        const after = judged([measured(cpu, asRows(fewer))], ids, steps);
        expect(after.observedMs).toBeLessThanOrEqual(before.observedMs);
        // An excess that nobody saw may vanish; a host that nobody saw at the newest step may not.
        expect(after.kind !== 'pass' || fewer.every((row) => row[steps - 1] !== null)).toBe(true);
      }),
    );
  });

  it('the order of hosts, series and samples does not matter', () => {
    fc.assert(
      fc.property(grid, ({ steps, forMs, rows }) => {
        const gate = { ...cpu, forMs };
        const straight = measured(gate, asRows(rows));
        const byHost = new Map(
          [...straight.outcome.byHost].reverse().map(([id, list]) => [id, list.toReversed()]),
        );
        const turned = { ...straight, outcome: { ...straight.outcome, byHost } };
        expect(judged([turned], ids, steps)).toEqual(judged([straight], ids, steps));
      }),
    );
  });
});

describe('judge, at scale', () => {
  it('judges 10,000 hosts, 4 gates and 60 steps within a second', () => {
    const ids = Array.from({ length: 10_000 }, (_, index) => `h${index}`);
    const row = samples(Array.from({ length: 60 }, () => 0.05));
    const byHost = new Map(ids.map((id) => [id, row]));
    const measurements = Array.from(
      { length: 4 },
      (_, index): GateMeasurement => ({
        gate: { ...cpu, name: `g${index}`, forMs: 60_000 },
        query: 'q',
        outcome: { kind: 'measured', byHost, ambiguous: [], warnings: [] },
      }),
    );
    const started = performance.now();
    const judgement = judged(measurements, ids, 60);
    const took = performance.now() - started;
    expect(judgement).toMatchObject({ kind: 'pass', observedMs: 60 * STEP });
    expect(took).toBeLessThan(1_000);
  });
});
