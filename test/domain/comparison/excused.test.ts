/** Who may be excused for being over the limit, and who may not: what control hosts say about one host of another weight, and of another time. */
import { describe, expect, it } from 'vitest';
import type { GateVerdict, Sample } from '../../../src/domain/gate.ts';
import { judge } from '../../../src/domain/judge.ts';
import type { GateComparison, GatePolicy } from '../../../src/domain/policy.ts';

const T0 = Date.parse('2026-03-01T03:12:00Z');
const STEP = 60_000;
const OVER = 20;

const compare: GateComparison = {
  with: 'control',
  effect: 0.02,
  relativeEffect: 0,
  alpha: 0.005,
  overMs: OVER * STEP,
  beforeMs: 3_600_000,
  tooFew: 'abstain',
};
const cpu: GatePolicy = {
  name: 'agent-cpu',
  query: 'q',
  unit: 'cores',
  direction: 'above',
  limit: 0.1,
  windowMs: 300_000,
  forMs: 15 * STEP,
  compare,
};

interface One {
  readonly name: string;
  readonly stratum: string;
  /** Of the step so many before the newest one. */
  readonly at: (back: number) => number;
  readonly before: number;
  /** Minutes before the end. */
  readonly changed?: number;
}

function verdictOf(changed: readonly One[], control: readonly One[], gate: GatePolicy = cpu): GateVerdict {
  const samplesOf = ({ at }: One): Sample[] =>
    Array.from({ length: OVER + 1 }, (_, index) => ({
      at: T0 - (OVER - index) * STEP,
      value: at(OVER - index),
    }));
  const all = [...changed, ...control];
  const judgement = judge({
    measurements: [
      {
        gate,
        query: 'q',
        outcome: {
          kind: 'measured',
          byHost: new Map(all.map((one) => [one.name, samplesOf(one)])),
          before: new Map(all.map(({ name, before }) => [name, before])),
          ambiguous: [],
          warnings: [],
        },
      },
    ],
    hosts: changed.map(({ name, stratum, changed: ago }) => ({
      id: name,
      name,
      stratum,
      ...(ago === undefined ? {} : { changedAt: T0 - ago * STEP }),
    })),
    controls: control.map(({ name, stratum }) => ({ id: name, name, stratum })),
    from: T0 - STEP,
    to: T0,
    stepMs: STEP,
  });
  const [verdict] = judgement.gates;
  if (verdict === undefined) throw new Error('no verdict');
  return verdict;
}

function some(n: number, stratum: string, now: number, more: Partial<One> = {}): One[] {
  return Array.from({ length: n }, (_, index) => ({
    name: `${stratum}-old-${index}`,
    stratum,
    at: () => now + (index % 7) / 1_000,
    before: now + (index % 7) / 1_000,
    ...more,
  }));
}
const one = (stratum: string, now: number, more: Partial<One> = {}): One => ({
  name: `${stratum}-new`,
  stratum,
  at: () => now,
  before: 0.03,
  ...more,
});
const ROLES = ['api', 'git', 'sql', 'web'];

describe('one canary of each kind', () => {
  it('that burns is not excused because one of thirty control hosts has always been just over the limit', () => {
    const control = ROLES.flatMap((role) => some(30, role, 0.03));
    const usual = control.map((host) =>
      host.name === 'web-old-3' ? { ...host, at: () => 0.11, before: 0.11 } : host,
    );
    const canaries = ROLES.map((role) => one(role, role === 'web' ? 0.5 : 0.03));
    const verdict = verdictOf(canaries, usual);
    expect(verdict).toMatchObject({ kind: 'fail' });
    expect(verdict.siteWide).toBeUndefined();
    expect(verdict.why).toMatch(/^web-new used 0\.5 cores/);
  });

  it('is excused where half of the control hosts of its kind are over it as well', () => {
    const control = ROLES.flatMap((role) => some(4, role, 0.03));
    const site = control.map((host) =>
      ['web-old-1', 'web-old-2'].includes(host.name) ? { ...host, at: () => 0.5 } : host,
    );
    const canaries = ROLES.map((role) => one(role, role === 'web' ? 0.5 : 0.03));
    expect(verdictOf(canaries, site)).toMatchObject({ kind: 'inconclusive', siteWide: true });
  });
});

describe('a limit that counts sooner than the time compared has gone by', () => {
  const soon: GatePolicy = { ...cpu, forMs: 5 * STEP };
  const burst = (back: number): number => (back <= 6 ? 0.5 : 0.03);

  it('is not excused by a median of the calm before', () => {
    const verdict = verdictOf([one('web', 0, { at: burst })], some(30, 'web', 0.03), soon);
    expect(verdict).toMatchObject({ kind: 'fail' });
  });

  it('is excused where control hosts have the same burst', () => {
    const verdict = verdictOf([one('web', 0, { at: burst })], some(30, 'web', 0.03, { at: burst }), soon);
    expect(verdict).toMatchObject({ kind: 'inconclusive', siteWide: true });
    expect(verdict.why).toContain('30 of 30 control hosts are over it too');
  });

  it('and a host that was always as high is excused by what it was before', () => {
    const verdict = verdictOf([one('web', 0.12, { before: 0.12 })], some(30, 'web', 0.03), soon);
    expect(verdict).toMatchObject({ kind: 'inconclusive', siteWide: true });
  });
});

describe('a version that burns on a third of the hosts of every kind, where half of them may be over the limit', () => {
  const lenient: GatePolicy = { ...cpu, weight: { kind: 'share', share: 0.5 } };
  const thirds = (n: number, burning: (index: number) => boolean, before = 0.03): One[] =>
    ROLES.flatMap((role) =>
      some(n, role, 0.03).map((host, index) => ({
        ...host,
        name: `${role}-new-${index}`,
        ...(burning(index) ? { at: () => 0.5, before } : {}),
      })),
    );
  const calm = (n: number): One[] => ROLES.flatMap((role) => some(n, role, 0.03));

  it('fails: far more of them are over it than of the control hosts', () => {
    const verdict = verdictOf(
      thirds(6, (index) => index % 3 === 0),
      calm(20),
      lenient,
    );
    expect(verdict).toMatchObject({ kind: 'fail', comparison: { kind: 'alike' } });
    expect(verdict.offenders).toHaveLength(8);
    expect(verdict.why).toMatch(
      /^api-new-0 used 0\.5 cores .* and so did 7 others; 8 of 24 changed hosts are over it and have risen, against 0 of 80 control hosts of their kind \(p < 0\.001\)$/,
    );
  });

  it('passes where they have always been so: who was as high before counts for nothing', () => {
    const changed = thirds(6, (index) => index % 3 === 0, 0.5);
    expect(verdictOf(changed, calm(20), lenient)).toMatchObject({ kind: 'pass' });
  });

  it('passes where as many control hosts are over it', () => {
    const control = calm(20).map((host, index) => (index % 4 === 0 ? { ...host, at: () => 0.5 } : host));
    expect(
      verdictOf(
        thirds(6, (index) => index % 3 === 0),
        control,
        lenient,
      ),
    ).toMatchObject({
      kind: 'pass',
    });
  });

  it('passes with one busy neighbour, however sure it is that no control host has one', () => {
    const changed = thirds(6, () => false).map((host, index) =>
      index === 5 ? { ...host, at: () => 0.5 } : host,
    );
    expect(verdictOf(changed, calm(30), lenient)).toMatchObject({ kind: 'pass' });
  });

  it('passes with a few among very many: a twentieth more of them is borne', () => {
    const changed = thirds(60, (index) => index % 20 === 0);
    expect(verdictOf(changed, calm(30), lenient)).toMatchObject({ kind: 'pass' });
  });
});

describe('one canary of each of four kinds, all of them well', () => {
  it('passes, and says that a rise in one kind alone would not be seen yet', () => {
    const canaries = ROLES.map((role) => one(role, 0.03));
    const verdict = verdictOf(
      canaries,
      ROLES.flatMap((role) => some(30, role, 0.03)),
    );
    expect(verdict).toMatchObject({ kind: 'pass', comparison: { untold: { strata: 4, of: 4 } } });
    expect(verdict.why).toMatch(/; 4 of 4 kinds have too few hosts to be told alone yet$/);
  });
});

describe('a burst that began on all hosts alike while a wave is young', () => {
  const begun = (back: number): number => (back <= 2 ? 0.09 : 0.03);
  const ended = (back: number): number => (back > 2 ? 0.09 : 0.03);
  const wave = (at: One['at'], changed: number, name = 'new'): One[] =>
    some(8, 'web', 0.03, { at, changed }).map((host, index) => ({ ...host, name: `${name}-${index}` }));

  it('is not blamed: control hosts are looked at over no more time than the changed ones', () => {
    const verdict = verdictOf(wave(begun, 8), some(20, 'web', 0.03, { at: begun }));
    expect(verdict).toMatchObject({ kind: 'pass', comparison: { kind: 'alike' } });
  });

  it('is not blamed once it is over, although hosts of an earlier wave could be looked at for longer', () => {
    const changed = [...wave(ended, 8), ...wave(ended, 600, 'first')];
    const verdict = verdictOf(changed, some(20, 'web', 0.03, { at: ended }));
    expect(verdict).toMatchObject({ kind: 'pass', comparison: { kind: 'alike' } });
  });

  it('a version that is worse since then is found all the same', () => {
    const verdict = verdictOf(wave(begun, 8), some(20, 'web', 0.03));
    expect(verdict).toMatchObject({ kind: 'fail', comparison: { kind: 'worse' } });
  });
});
