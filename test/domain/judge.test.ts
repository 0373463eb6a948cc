import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GateMeasurement, Judgement, Sample } from '../../src/domain/gate.ts';
import { judge, worstKind } from '../../src/domain/judge.ts';
import { whyNotCounting } from '../../src/domain/judgement-words.ts';
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
      name: 'a probe that fails is not taken for the metrics backend',
      measurement: {
        gate: { ...cpu, source: { kind: 'probe', reading: 'cpu' } },
        query: 'q',
        outcome: { kind: 'backend-error', message: 'no host answered the probe: h1: refused' },
      },
      steps: 2,
      kind: 'error',
      observedSteps: 0,
      why: "the hosts' probe could not answer: no host answered the probe: h1: refused",
    },
    {
      name: 'a witness that fails is named',
      measurement: {
        gate: { ...cpu, source: { kind: 'witness', witness: 'logs' } },
        query: 'q',
        outcome: { kind: 'backend-error', message: 'HTTP 503' },
      },
      steps: 2,
      kind: 'error',
      observedSteps: 0,
      why: 'the witness logs could not answer: HTTP 503',
    },
    {
      name: 'a witness whose answer is not whole is named',
      measurement: measured(
        { ...cpu, source: { kind: 'witness', witness: 'logs' } },
        { h1: [0.5], h2: [0.01] },
        { warnings: ['an ingester is away'] },
      ),
      steps: 1,
      kind: 'inconclusive',
      observedSteps: 0,
      offenders: ['h1'],
      why: 'the witness logs says that its answer is not whole: an ingester is away',
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

describe('judge, how many hosts make it fail', () => {
  const ten = Array.from({ length: 10 }, (_, index) => `h${index}`);
  const withBad = (bad: number, steps = 1): Rows =>
    Object.fromEntries(
      ten.map((id, index) => [id, Array.from({ length: steps }, () => (index < bad ? 0.2 : 0.01))]),
    );
  const share: GatePolicy = { ...cpu, weight: { kind: 'share', share: 0.2 } };

  it('a share: what is not more than it is no failure, and among many hosts borne, counted as observed, and said', () => {
    expect(judged([measured(share, withBad(2))], ten, 1)).toMatchObject({
      kind: 'inconclusive',
      observedMs: 0,
    });
    const many = Array.from({ length: 40 }, (_, index) => `h${index}`);
    const rows = Object.fromEntries(many.map((id, index) => [id, [index < 2 ? 0.2 : 0.01]]));
    const borne = judged([measured(share, rows)], many, 1);
    expect(borne).toMatchObject({ kind: 'pass', observedMs: STEP });
    expect(borne.gates[0]?.why).toMatch(/; 2 hosts over it, which is borne$/);
    expect(borne.gates[0]?.offenders).toHaveLength(2);
    expect(judged([measured(share, withBad(3))], ten, 1)).toMatchObject({ kind: 'fail', observedMs: 0 });
  });

  it('a share of one stratum is enough', () => {
    const hosts = ten.map((id, index) => ({ id, name: id, stratum: index < 4 ? 'db' : 'web' }));
    const of = (bad: number, share: number) =>
      judge({
        measurements: [measured({ ...cpu, weight: { kind: 'share', share } }, withBad(bad))],
        hosts,
        from: T0,
        to: T0 + STEP,
        stepMs: STEP,
      }).kind;
    expect(of(2, 0.5)).toBe('inconclusive');
    expect(of(3, 0.5)).toBe('fail');
  });

  it('a share of one stratum is two hosts at least: the only canary of its kind may have a busy neighbour', () => {
    const of = (ofKind: number) =>
      judge({
        measurements: [measured({ ...cpu, weight: { kind: 'share', share: 0.5 } }, withBad(ofKind))],
        hosts: ten.map((id, index) => ({ id, name: id, stratum: index < ofKind ? 'db' : 'web' })),
        from: T0,
        to: T0 + STEP,
        stepMs: STEP,
      }).kind;
    expect([of(1), of(2)]).toEqual(['inconclusive', 'fail']);
  });

  it('a share in binary is the share that was meant', () => {
    const many = Array.from({ length: 100 }, (_, index) => `h${index}`);
    const rows = Object.fromEntries(many.map((id, index) => [id, [index < 29 ? 0.2 : 0]]));
    expect(judged([measured({ ...cpu, weight: { kind: 'share', share: 0.29 } }, rows)], many, 1).kind).toBe(
      'inconclusive',
    );
  });

  it('hosts that are over the limit one after another are not over it together', () => {
    const rows: Rows = { h0: [0.2, 0, 0], h1: [0, 0.2, 0], h2: [0, 0, 0.01] };
    const half = { ...cpu, weight: { kind: 'share', share: 0.5 } } as const;
    expect(judged([measured(half, rows)], ['h0', 'h1', 'h2'], 3).kind).toBe('pass');
    const together: Rows = { ...rows, h1: [0.2, 0, 0] };
    expect(judged([measured(half, together)], ['h0', 'h1', 'h2'], 3).kind).toBe('fail');
  });

  it('a quantile: the host at it must be over the limit', () => {
    const kindOf = (quantile: number, bad: number) =>
      judged([measured({ ...cpu, weight: { kind: 'quantile', quantile } }, withBad(bad))], ten, 1).kind;
    expect([kindOf(0.5, 5), kindOf(0.5, 6)]).toEqual(['pass', 'fail']);
    expect([kindOf(0.9, 1), kindOf(0.9, 2)]).toEqual(['pass', 'fail']);
    expect([kindOf(1, 0), kindOf(1, 1)]).toEqual(['pass', 'fail']);
    expect([kindOf(0, 9), kindOf(0, 10)]).toEqual(['pass', 'fail']);
  });

  it('over the limit for shorter than for, by too many: holds', () => {
    const gate = { ...share, forMs: 4 * STEP };
    expect(judged([measured(gate, withBad(3, 2))], ten, 2)).toMatchObject({
      kind: 'inconclusive',
      observedMs: 0,
    });
    expect(judged([measured(gate, withBad(2, 2))], ten, 2).kind).toBe('pass');
  });

  it('a silent host is never borne, whatever the weight', () => {
    expect(judged([measured(share, { ...withBad(0), h9: [null] })], ten, 1)).toMatchObject({
      kind: 'inconclusive',
      observedMs: 0,
    });
  });
});

describe('judge, with too little data', () => {
  it('a host with fewer numbers than asked for is neither passed nor failed', () => {
    const gate = { ...cpu, minSamples: 3 };
    const rows = { h1: [null, null, 0.01, 0.01], h2: [0.01, 0.01, 0.01, 0.01] };
    const judgement = judged([measured(gate, rows)], ['h1', 'h2'], 4);
    expect(judgement).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    expect(judgement.gates[0]?.why).toBe('too few numbers of h1: at least 3 are asked for');
    expect(judgement.gates[0]?.abstains).toBeUndefined();
    expect(judged([measured(gate, { ...rows, h1: [null, null, 0.9, 0.9] })], ['h1', 'h2'], 4).kind).toBe(
      'inconclusive',
    );
    expect(judged([measured(gate, { ...rows, h1: [null, 0.01, 0.01, 0.01] })], ['h1', 'h2'], 4).kind).toBe(
      'pass',
    );
  });

  it('coverage is of the span and of the time that counts before it', () => {
    const gate = { ...cpu, forMs: 4 * STEP, minCoverage: 0.75 };
    const kindOf = (row: Row) =>
      judged([measured(gate, { h1: row }, { firstStep: 2 - row.length })], ['h1'], 1).kind;
    expect(kindOf([0.01, 0.01, 0.01, 0.01])).toBe('pass');
    expect(kindOf([0.01, 0.01, 0.01])).toBe('pass');
    expect(kindOf([0.01, 0.01])).toBe('inconclusive');
  });

  it('numbers of before the change are not the version’s', () => {
    const gate = { ...cpu, forMs: 2 * STEP };
    const rows = { h1: [0.2, 0.2, 0.2] };
    const kindWhen = (changedAt: number) =>
      judge({
        measurements: [measured(gate, rows, { firstStep: -1 })],
        hosts: [{ id: 'h1', name: 'h1', changedAt }],
        from: T0,
        to: T0 + STEP,
        stepMs: STEP,
      }).kind;
    expect(kindWhen(T0 - 3 * STEP)).toBe('fail');
    expect(kindWhen(T0)).toBe('inconclusive');
  });
});

describe('judge, silence and failing backends as the gate has them', () => {
  const silent: Rows = { h1: [0.01, null], h2: [0.01, 0.01] };
  const both = ['h1', 'h2'];
  const down = (gate: GatePolicy): GateMeasurement => ({
    gate,
    query: 'q',
    outcome: { kind: 'backend-error', message: 'connection refused' },
  });

  it('noData fail: silence counts as over the limit, for as long as for has it', () => {
    const gate = { ...cpu, noData: 'fail' } as const;
    const judgement = judged([measured(gate, silent)], both, 2);
    expect(judgement).toMatchObject({ kind: 'fail', observedMs: STEP });
    expect(judgement.gates[0]).toMatchObject({
      silent: ['h1'],
      why: 'no number of h1, which counts as over the limit',
    });
    expect(judged([measured({ ...gate, forMs: 3 * STEP }, silent)], both, 2).kind).toBe('inconclusive');
  });

  it('noData fail is no pass where nobody was heard, however many silent hosts are borne', () => {
    const gate = { ...cpu, noData: 'fail', weight: { kind: 'share', share: 1 } } as const;
    expect(judged([measured(gate, {})], both, 2).kind).toBe('inconclusive');
  });

  it('noData abstain: silent hosts are not counted among those that a share is of', () => {
    const gate = { ...cpu, noData: 'abstain', weight: { kind: 'share', share: 0.4 } } as const;
    const three = ['h1', 'h2', 'h3'];
    expect(judged([measured(gate, { h1: [0.5], h2: [0.01], h3: [0.01] })], three, 1).kind).toBe(
      'inconclusive',
    );
    expect(judged([measured(gate, { h1: [0.5], h2: [0.01] })], three, 1).kind).toBe('fail');
  });

  it('noData fail, where too little is bad: the silent host is named with nothing', () => {
    const gate = { ...alive, noData: 'fail' } as const;
    const [verdict] = judged([measured(gate, { h1: [2, null], h2: [2, 2] })], both, 2).gates;
    expect(verdict?.offenders).toEqual([{ hostId: 'h1', hostName: 'h1', value: 0, at: T0 + 2 * STEP }]);
  });

  it('noData fail is no fail where the control hosts are silent as well: then nobody was heard', () => {
    const compare = {
      with: 'control',
      effect: 1,
      relativeEffect: 0,
      alpha: 0.5,
      overMs: STEP,
      beforeMs: STEP,
      tooFew: 'abstain',
    } as const;
    const gate: GatePolicy = { ...cpu, noData: 'fail', compare };
    const of = (rows: Rows) =>
      judge({
        measurements: [measured(gate, rows)],
        hosts: hosts('h1'),
        controls: hosts('c1', 'c2'),
        from: T0,
        to: T0 + STEP,
        stepMs: STEP,
      }).kind;
    expect(of({})).toBe('inconclusive');
    expect(of({ c1: [0.01] })).toBe('fail');
  });

  it('noData abstain: the gate neither spoils the time nor votes, and is no pass', () => {
    const judgement = judged(
      [
        measured({ ...alive, noData: 'abstain' }, { h1: [2, null], h2: [2, 2] }),
        measured(cpu, { h1: [0.01, 0.01], h2: [0, 0] }),
      ],
      both,
      2,
    );
    expect(judgement).toMatchObject({ kind: 'pass', observedMs: 2 * STEP });
    expect(judgement.gates[0]).toMatchObject({ kind: 'inconclusive', abstains: true, silent: ['h1'] });
    expect(judgement.gates[0]?.why).toMatch(/; so it has no vote, and the other gates decide$/);
  });

  it('noData abstain: who answers is judged all the same', () => {
    const gate = { ...cpu, noData: 'abstain' } as const;
    expect(judged([measured(gate, { h1: [null], h2: [0.5] })], both, 1).kind).toBe('fail');
    const pending = judged([measured({ ...gate, forMs: 9 * STEP }, { h1: [null], h2: [0.5] })], both, 1);
    expect(pending).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    expect(pending.gates[0]?.abstains).toBeUndefined();
  });

  it('two series for one host never abstain and never count as over the limit', () => {
    for (const noData of ['abstain', 'fail'] as const) {
      const twice = measured({ ...cpu, noData }, { h1: [0.01], h2: [0.01] }, { ambiguous: ['h2'] });
      const judgement = judged([twice, measured(alive, { h1: [1], h2: [1] })], both, 1);
      expect(judgement).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    }
  });

  it('where every gate abstains there is no witness: no pass, and no time', () => {
    const gate = { ...cpu, noData: 'abstain' } as const;
    expect(judged([measured(gate, {})], both, 3)).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
  });

  it('backendErrors abstain: the others decide; without others it is an error, never a pass', () => {
    const gate = { ...alive, backendErrors: 'abstain' } as const;
    const healthy = measured(cpu, { h1: [0.01], h2: [0.01] });
    expect(judged([down(gate), healthy], both, 1)).toMatchObject({ kind: 'pass', observedMs: STEP });
    expect(judged([down(gate)], both, 1)).toMatchObject({ kind: 'error', observedMs: 0 });
    expect(judged([down(alive), healthy], both, 1)).toMatchObject({ kind: 'error', observedMs: 0 });
  });

  it('hosts that were not asked are not missing; where nobody was asked there is no witness', () => {
    const some = (asked: readonly string[]): GateMeasurement => {
      const one = measured(cpu, { h1: [0.01] });
      return { ...one, outcome: { ...one.outcome, asked } };
    };
    expect(judged([some(['h1'])], both, 1)).toMatchObject({ kind: 'pass', observedMs: STEP });
    expect(judged([some(['h2'])], both, 1).kind).toBe('inconclusive');
    expect(judged([some([])], both, 1)).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
  });

  it('what the host said besides its number stands beside it', () => {
    const one = measured(cpu, { h1: [0.3] });
    const noted = { ...one, outcome: { ...one.outcome, notes: new Map([['h1', 'quota 20%']]) } };
    expect(judged([noted], ['h1'], 1).gates[0]?.why).toBe(
      'h1 used 0.3 cores at 03:12:05 UTC, limit 0.1 cores (quota 20%)',
    );
  });

  it('a witness that tells in one word can abstain where it cannot tell', () => {
    const told = (verdict: 'pass' | 'inconclusive', gate: GatePolicy): GateMeasurement => ({
      gate,
      query: './check',
      outcome: { kind: 'told', verdict, at: T0, why: 'exit 0' },
    });
    const healthy = measured(alive, { h1: [1] });
    expect(judged([told('inconclusive', cpu), healthy], ['h1'], 1).kind).toBe('inconclusive');
    expect(judged([told('inconclusive', { ...cpu, noData: 'abstain' }), healthy], ['h1'], 1).kind).toBe(
      'pass',
    );
  });
});

describe('judge, failing evaluations in a row', () => {
  const gate: GatePolicy = { ...cpu, failures: 3 };
  const bad = measured(gate, { h1: [0.2] });
  const at = (measurement: GateMeasurement, last: Judgement | null, from: number) => {
    const shifted = measurement.outcome.kind === 'measured' ? shift(measurement, from) : measurement;
    return judge({ measurements: [shifted], hosts: hosts('h1'), last, from, to: from + STEP, stepMs: STEP });
  };
  const shift = (measurement: GateMeasurement, from: number): GateMeasurement => {
    if (measurement.outcome.kind !== 'measured') return measurement;
    const byHost = new Map(
      [...measurement.outcome.byHost].map(([id, list]) => [
        id,
        list.map((one) => ({ ...one, at: one.at + from - T0 })),
      ]),
    );
    return { ...measurement, outcome: { ...measurement.outcome, byHost } };
  };
  const none = measured(gate, {});
  const down: GateMeasurement = { gate, query: 'q', outcome: { kind: 'backend-error', message: 'gone' } };

  it('below the count it holds and says which one it is; the last one fails', () => {
    const first = at(bad, null, T0);
    const second = at(bad, first, T0 + STEP);
    const third = at(bad, second, T0 + 2 * STEP);
    expect([first, second, third].map(({ kind }) => kind)).toEqual(['inconclusive', 'inconclusive', 'fail']);
    expect([first, second, third].map(({ gates }) => gates[0]?.streak)).toEqual([1, 2, 3]);
    expect(second.observedMs).toBe(0);
    expect(second.gates[0]?.why).toMatch(
      /^h1 used 0.2 cores .*; this is failing evaluation 2 of 3 in a row that make it fail$/,
    );
  });

  it('tells numbers that are bad and do not fail yet from what nobody knows', () => {
    const saidOf = (judgement: Judgement) => [judgement.gates[0]?.overLimit, whyNotCounting(judgement)];
    const first = at(bad, null, T0);
    expect(saidOf(first)).toEqual([true, 'over-limit']);
    expect(saidOf(at(none, first, T0 + STEP))).toEqual([undefined, 'no-data']);
    const third = at(bad, at(bad, first, T0 + STEP), T0 + 2 * STEP);
    expect([third.kind, third.gates[0]?.overLimit]).toEqual(['fail', undefined]);
    const pending = judged([measured({ ...cpu, forMs: 10_000 }, { h1: [0.01, 0.2] })], ['h1'], 2);
    expect(saidOf(pending)).toEqual([true, 'over-limit']);
    const few = { ...cpu, weight: { kind: 'share', share: 0.5 } } as const;
    const doubtful = judged(
      [measured(few, { h1: [0.2], h2: [0.2], h3: [0.01], h4: [0.01] })],
      ['h1', 'h2', 'h3', 'h4'],
      1,
    );
    expect([doubtful.kind, ...saidOf(doubtful)]).toEqual(['inconclusive', true, 'over-limit']);
    // Silence that counts as beyond the limit is still no number.
    const mute = { ...cpu, noData: 'fail', failures: 3 } as const;
    const silent = judged([measured(mute, { h2: [0.01] })], ['h1', 'h2'], 1);
    expect([silent.kind, ...saidOf(silent)]).toEqual(['inconclusive', undefined, 'no-data']);
  });

  it('a healthy one begins the count anew', () => {
    const second = at(bad, at(bad, null, T0), T0 + STEP);
    const healthy = at(measured(gate, { h1: [0.01] }), second, T0 + 2 * STEP);
    expect(healthy.gates[0]).toMatchObject({ kind: 'pass' });
    expect(healthy.gates[0]?.streak).toBeUndefined();
    expect(at(bad, healthy, T0 + 3 * STEP).gates[0]?.streak).toBe(1);
  });

  it('one that could not tell keeps the count: neither silence nor a failing backend is health', () => {
    const second = at(bad, at(bad, null, T0), T0 + STEP);
    const silent = at(none, second, T0 + 2 * STEP);
    const error = at(down, silent, T0 + 3 * STEP);
    expect([silent.gates[0]?.streak, error.gates[0]?.streak]).toEqual([2, 2]);
    // The time of an error is asked about again.
    expect(at(bad, error, T0 + 3 * STEP).kind).toBe('fail');
  });

  it('a gap between evaluations begins the count anew, and another gate’s count is not this one’s', () => {
    const second = at(bad, at(bad, null, T0), T0 + STEP);
    expect(at(bad, second, T0 + 4 * STEP).gates[0]?.streak).toBe(1);
    const other = { ...second, gates: second.gates.map((one) => ({ ...one, gate: 'other' })) };
    expect(at(bad, other, T0 + 2 * STEP).gates[0]?.streak).toBe(1);
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
  it('judges 10,000 hosts, 4 gates and 60 steps within a second of CPU time', () => {
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
    // CPU time: whatever else the machine does is not the judge's doing.
    const before = process.cpuUsage();
    const judgement = judged(measurements, ids, 60);
    const { user, system } = process.cpuUsage(before);
    expect(judgement).toMatchObject({ kind: 'pass', observedMs: 60 * STEP });
    expect((user + system) / 1_000).toBeLessThan(1_000);
  });
});
