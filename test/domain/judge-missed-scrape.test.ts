/** A scrape that is lost now and then does not stop the clock of a large fleet; silence does (K5). */
import { describe, expect, it } from 'vitest';
import type { GateMeasurement, Sample } from '../../src/domain/gate.ts';
import { type JudgedHost, judge } from '../../src/domain/judge.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';

const T0 = Date.parse('2026-03-01T03:12:00Z');
const STEP = 60_000;

const cpu: GatePolicy = {
  name: 'agent-cpu',
  query: 'q',
  unit: 'cores',
  direction: 'above',
  limit: 0.1,
  windowMs: 60_000,
  forMs: 0,
};

const fleet = (count: number): JudgedHost[] =>
  Array.from({ length: count }, (_, index) => ({ id: `h${index}`, name: `h${index}` }));

/** The number of a host at a step (0 is the one before the span); null: no sample. */
type Read = (host: number, step: number) => number | null;

interface Asked {
  readonly steps: number;
  readonly gate?: GatePolicy;
  readonly ambiguous?: readonly string[];
}

function judged(hosts: readonly JudgedHost[], read: Read, { steps, gate = cpu, ambiguous = [] }: Asked) {
  const byHost = new Map<string, Sample[]>();
  for (const [index, { id }] of hosts.entries()) {
    const samples: Sample[] = [];
    for (let step = 0; step <= steps; step += 1) {
      const value = read(index, step);
      if (value !== null) samples.push({ at: T0 + step * STEP, value });
    }
    byHost.set(id, samples);
  }
  const outcome = { kind: 'measured', byHost, ambiguous, warnings: [] } as const;
  const measurement: GateMeasurement = { gate, query: 'q', outcome };
  return judge({ measurements: [measurement], hosts, from: T0, to: T0 + steps * STEP, stepMs: STEP });
}

/** Some host at every step, never the same one twice in a row. */
const someHost = (step: number, of: number): number => (step * 7_919 + 13) % of;

describe('one random host of 300 loses a scrape at every step', () => {
  const read: Read = (host, step) => (host === someHost(step, 300) ? null : 0.03);

  it('in one span: all of it was observed, and the sentence says what is borne', () => {
    const judgement = judged(fleet(300), read, { steps: 5 });
    expect(judgement).toMatchObject({ kind: 'pass', observedMs: 5 * STEP });
    expect(judgement.gates[0]?.silent).toEqual([]);
    expect(judgement.gates[0]?.why).toMatch(/; 5 hosts missed one scrape, which is borne$/);
  });

  it('step by step: time goes on, for the step before the span is known', () => {
    const judgement = judged(fleet(300), read, { steps: 1 });
    expect(judgement).toMatchObject({ kind: 'pass', observedMs: STEP });
    expect(judgement.gates[0]?.why).toContain('; 1 host missed one scrape, which is borne');
  });

  it('a gate that abstains without data has its vote', () => {
    const gate = { ...cpu, noData: 'abstain' } as const;
    const judgement = judged(fleet(300), read, { steps: 1, gate });
    expect(judgement).toMatchObject({ kind: 'pass', observedMs: STEP });
  });

  it('a host that went over the limit beside it still fails', () => {
    const judgement = judged(fleet(300), (host, step) => (host === 200 ? 0.5 : read(host, step)), {
      steps: 1,
    });
    expect(judgement).toMatchObject({ kind: 'fail', observedMs: 0 });
  });
});

describe('it is silence', () => {
  const of300 = fleet(300);
  const lost =
    (count: number, ...steps: number[]): Read =>
    (host, step) =>
      host < count && steps.includes(step) ? null : 0.03;

  it('where the same host misses two steps in a row: the second is not observed, and it is named', () => {
    const judgement = judged(of300, lost(1, 1, 2), { steps: 2 });
    expect(judgement).toMatchObject({ kind: 'inconclusive', observedMs: STEP });
    expect(judgement.gates[0]).toMatchObject({ silent: ['h0'] });
    expect(judgement.gates[0]?.why).toContain('no usable number at 03:14:00 UTC for h0');
    expect(judged(of300, lost(1, 0, 1), { steps: 1 })).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
  });

  it('where more than 1 % are missing at once: 3 of 300 are borne, 4 are not', () => {
    expect(judged(of300, lost(3, 1), { steps: 1 })).toMatchObject({ kind: 'pass', observedMs: STEP });
    const judgement = judged(of300, lost(4, 1), { steps: 1 });
    expect(judgement).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    expect(judgement.gates[0]?.silent).toEqual(['h0', 'h1', 'h2', 'h3']);
    // Too many of an earlier step cost that step, and are not called borne.
    const earlier = judged(of300, lost(4, 1), { steps: 2 });
    expect(earlier).toMatchObject({ kind: 'pass', observedMs: STEP });
    expect(earlier.gates[0]?.why).not.toContain('borne');
  });

  it('beside one that is: who lost a single scrape is not named', () => {
    const read: Read = (host, step) => ((host === 0 && step > 0) || (host === 1 && step === 2) ? null : 0.03);
    expect(judged(of300, read, { steps: 2 }).gates[0]?.silent).toEqual(['h0']);
  });

  it('below 100 hosts, always', () => {
    expect(judged(fleet(99), lost(1, 1), { steps: 1 })).toMatchObject({
      kind: 'inconclusive',
      observedMs: 0,
    });
    expect(judged(fleet(100), lost(1, 1), { steps: 1 })).toMatchObject({ kind: 'pass', observedMs: STEP });
  });

  it.each([
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
  ])('where it is %s, then or right before', (_, value) => {
    const at =
      (bad: number): Read =>
      (host, step) =>
        host > 0 ? 0.03 : step === bad ? value : step === 1 ? null : 0.03;
    expect(judged(of300, at(1), { steps: 1 })).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    expect(judged(of300, at(0), { steps: 1 })).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
  });

  it('where there are two series, or no number at all', () => {
    const twice = judged(of300, () => 0.03, { steps: 1, ambiguous: ['h0'] });
    expect(twice).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    const never = judged(of300, lost(1, 0, 1, 2), { steps: 2 });
    expect(never).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
  });

  it('where the host was over the limit right before: that is no health', () => {
    const gate = { ...cpu, forMs: 5 * STEP };
    const read: Read = (host, step) => (host > 0 ? 0.03 : step === 1 ? null : 0.5);
    expect(judged(of300, read, { steps: 1, gate })).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
  });

  it('where the number before is of the time before the change', () => {
    const hosts = of300.map((host) => ({ ...host, changedAt: T0 }));
    expect(judged(hosts, lost(1, 1), { steps: 1 })).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    const earlier = of300.map((host) => ({ ...host, changedAt: T0 - STEP }));
    expect(judged(earlier, lost(1, 1), { steps: 1 })).toMatchObject({ kind: 'pass', observedMs: STEP });
  });

  it('where the gate counts silence as over the limit: then it is an excess, as the gate has it', () => {
    const gate = { ...cpu, noData: 'fail' } as const;
    expect(judged(of300, lost(1, 1), { steps: 1, gate }).kind).toBe('fail');
  });
});

describe('10,000 hosts of which 0.1 % lose a scrape at every step', () => {
  it('all is observed, as quickly as ever', () => {
    const before = process.cpuUsage();
    const judgement = judged(
      fleet(10_000),
      (host, step) => ((host * 31 + step * 17) % 1_000 === 0 ? null : 0.03),
      { steps: 15, gate: { ...cpu, forMs: 300_000 } },
    );
    const { user, system } = process.cpuUsage(before);
    expect(judgement).toMatchObject({ kind: 'pass', observedMs: 15 * STEP });
    expect((user + system) / 1_000).toBeLessThan(1_000);
  });
});
