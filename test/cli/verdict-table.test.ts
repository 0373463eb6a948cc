import { describe, expect, it } from 'vitest';
import { createPaint } from '../../src/cli/render/paint.ts';
import { verdictLines } from '../../src/cli/render/verdict-table.ts';
import type { Comparison, GateVerdict, Judgement } from '../../src/domain/gate.ts';

const T0 = Date.parse('2026-03-01T03:12:00Z');

const cpu: GateVerdict = {
  gate: 'agent-cpu',
  kind: 'pass',
  unit: 'cores',
  direction: 'above',
  limit: 0.1,
  worst: 0.031,
  samples: 60,
  query: 'rate(cpu)',
  offenders: [],
  silent: [],
  why: '4 hosts, 60 samples',
};
const worse: Comparison = {
  with: 'control',
  kind: 'worse',
  basis: 'difference',
  changed: 4,
  control: 9,
  medianChanged: 0.071,
  medianControl: 0.03,
  shift: 0.041,
  floor: 0.02,
  p: 0.0014,
  alpha: 0.01,
  method: 'exact',
};

function table(
  gates: readonly GateVerdict[],
  width = Number.POSITIVE_INFINITY,
  kind: Judgement['kind'] = 'inconclusive',
): string[] {
  const judgement: Judgement = { from: T0, to: T0 + 60_000, kind, observedMs: 0, gates };
  return verdictLines(judgement, createPaint(false, width));
}

describe('the table of verdicts', () => {
  it('of gates that compare with nothing is as it was', () => {
    const alive: GateVerdict = {
      ...cpu,
      gate: 'agent-alive',
      kind: 'inconclusive',
      direction: 'below',
      limit: 1,
      unit: 'processes',
      silent: ['web-2'],
      why: 'no usable number at 03:13:00 UTC for web-2',
    };
    expect(table([cpu, alive])).toEqual([
      '  gates, 03:12:00 to 03:13:00 UTC',
      '    agent-cpu    pass          worst 0.031  limit <= 0.1 cores    60 samples',
      '    agent-alive  inconclusive  worst 0.031  limit >= 1 processes  60 samples',
      '    agent-alive: no usable number at 03:13:00 UTC for web-2',
      '      without a number: web-2',
    ]);
  });

  it('has bytes as the sentences have them', () => {
    const memory = { ...cpu, gate: 'agent-memory', unit: 'bytes', limit: 250e6, worst: 71e6 };
    expect(table([memory])[1]).toBe('    agent-memory  pass  worst 71 MB  limit <= 250 MB  60 samples');
  });

  it('prints no query: ten lines of one would push away why, and what to type', () => {
    const query = `sum by (host) (rate(cpu[5m])) ${'or rate(other[5m]) '.repeat(30)}`;
    expect(table([{ ...cpu, kind: 'fail', query }], 60).join('\n')).not.toContain('rate(');
  });

  it('shows both medians, the shift, what is allowed and the chance, with what would be enough where it is too few', () => {
    const failed: GateVerdict = {
      ...cpu,
      kind: 'fail',
      offenders: [{ hostId: '1', hostName: 'web-1', value: 0.08, at: T0 }],
      comparison: worse,
    };
    const few: GateVerdict = {
      ...cpu,
      gate: 'agent-memory',
      unit: 'bytes',
      limit: 250e6,
      comparison: {
        with: 'control',
        kind: 'too-few',
        changed: 1,
        control: 5,
        medianChanged: 61.2e6,
        medianControl: 60e6,
        floor: 20e6,
        alpha: 0.05,
        enough: { control: 19, changed: 2 },
      },
    };
    expect(table([failed, few]).slice(3)).toEqual([
      '  against hosts not changed yet, at the same time; medians',
      '    gate          changed       control     worse by  allowed  p',
      '    agent-cpu     0.071 of 4    0.03 of 9   +0.041    0.02     0.0014  WORSE',
      '    agent-memory  61.2 MB of 1  60 MB of 5  -         20 MB    -       TOO FEW',
      '      agent-memory: too few hosts to tell; within one kind of host 19 control hosts or 2 changed hosts would be enough',
      '    agent-cpu',
      '      worse than control: web-1 0.08',
    ]);
  });

  const soon: Comparison = {
    with: 'control',
    kind: 'too-few',
    changed: 0,
    control: 0,
    floor: 0.025,
    alpha: 0.03,
    enough: {},
    notBefore: T0 + 15 * 60_000,
  };

  it('says when there will be something to compare, instead of rows without any number', () => {
    const memory = { ...cpu, gate: 'agent-memory', comparison: { ...soon, notBefore: T0 + 12 * 60_000 } };
    const wait = { ...cpu, gate: 'host-run-queue', comparison: soon };
    expect(table([{ ...cpu, comparison: soon }, memory, wait]).slice(4)).toEqual([
      '  against hosts not changed yet, at the same time; medians',
      '    not yet: agent-memory from 03:24:00 UTC; agent-cpu, host-run-queue from 03:27:00 UTC',
    ]);
  });

  it('says so beside gates that compare already', () => {
    const memory = { ...cpu, gate: 'agent-memory', comparison: { ...worse, kind: 'alike' } as const };
    expect(table([{ ...cpu, comparison: soon }, memory]).slice(3)).toEqual([
      '  against hosts not changed yet, at the same time; medians',
      '    gate          changed     control    worse by  allowed  p',
      '    agent-memory  0.071 of 4  0.03 of 9  +0.041    0.02     0.0014  alike',
      '    not yet: agent-cpu from 03:27:00 UTC',
    ]);
  });

  it('promises nothing behind a fail', () => {
    const failed = { ...cpu, kind: 'fail', comparison: soon } as const;
    expect(table([failed], Number.POSITIVE_INFINITY, 'fail').join('\n')).not.toMatch(/not yet|against hosts/);
    const memory = { ...cpu, gate: 'agent-memory', comparison: worse };
    expect(table([failed, memory], Number.POSITIVE_INFINITY, 'fail').join('\n')).toMatch(
      /against hosts.*WORSE/s,
    );
  });

  it('is read at 80 columns', () => {
    const lines = table(
      [
        { ...cpu, comparison: { ...worse, kind: 'too-few', enough: { control: 199, changed: 5 } } },
        { ...cpu, gate: 'host-run-queue', comparison: { ...worse, stratum: 'gitaly, n2-standard-8' } },
        { ...cpu, gate: 'agent-memory', comparison: { ...worse, kind: 'alike', p: 0.0001, shift: 0.01 } },
      ],
      80,
    );
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.join('\n')).toContain('agent-memory: worse for certain, but by less than is allowed');
    expect(lines.join(' ').replaceAll(/\s+/g, ' ')).toContain('host-run-queue: only gitaly, n2-standard-8');
  });

  it('with the time before, and gates that are site-wide or abstain, says so in words', () => {
    const lines = table([
      { ...cpu, comparison: { ...worse, with: 'before', kind: 'alike', p: 0.4, shift: -0.001 } },
      { ...cpu, gate: 'agent-io', kind: 'inconclusive', siteWide: true },
      { ...cpu, gate: 'results', kind: 'error', abstains: true },
    ]).join('\n');
    expect(lines).toContain('the same hosts, before the change and after it; medians');
    expect(lines).toMatch(/agent-cpu {2}0\.071 of 4 {2}0\.03 of 9 {2}-0\.001 {4}0\.02 {5}0\.4 {2}alike/);
    expect(lines).toMatch(/agent-io +site-wide/);
    expect(lines).toMatch(/results +abstains \(error\)/);
  });
});
