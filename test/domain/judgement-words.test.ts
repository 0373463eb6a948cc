/** What a person is told while a judgement is no pass: who did not answer, and what decided it. */
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/domain/decide.ts';
import type { GateVerdict, Judgement, VerdictKind } from '../../src/domain/gate.ts';
import { whyDecided } from '../../src/domain/judgement-words.ts';
import { somePolicy } from '../engine/world.ts';
import { calm, judgement, NOW, progress, rollout, soaking } from './rollout-states.ts';

function of(kind: VerdictKind, ...rows: Partial<GateVerdict>[]): Judgement {
  const whole = judgement(kind);
  const [row] = whole.gates;
  if (row === undefined) throw new Error('there is no row');
  return { ...whole, gates: rows.map((more) => ({ ...row, ...more })) };
}

const told = (last: Judgement, consecutiveErrors = 0): string =>
  decide(
    rollout([progress('1', 'verified')], {
      phase: soaking({ last, lastAt: NOW, observedMs: 5_000 }),
      policy: { ...somePolicy, consecutiveErrors },
    }),
    calm,
    NOW,
  ).reason.message;

describe('what decided a judgement', () => {
  const down = 'the metrics backend could not answer: connection refused';

  it('is said once, however many gates say it', () => {
    expect(whyDecided(of('error', { why: down }, { why: down }, { kind: 'pass', why: 'fine' }))).toBe(down);
  });

  it('is what the gates with a vote say; others only where nobody has one', () => {
    const probe = { abstains: true, why: "the hosts' probe could not answer: refused" } as const;
    expect(whyDecided(of('error', probe, { why: down }))).toBe(down);
    expect(whyDecided(of('error', probe))).toBe(probe.why);
  });

  it('is three reasons at most, and how many more', () => {
    const many = (count: number) =>
      whyDecided(of('error', ...Array.from({ length: count }, (_, index) => ({ why: `w${index}` }))));
    expect([3, 4, 6].map(many)).toEqual(['w0; w1; w2', 'w0; w1; w2; and 1 more', 'w0; w1; w2; and 3 more']);
    expect(many(0)).toBe('');
  });
});

describe('who waits is told', () => {
  it('who did not answer, and never that the metrics backend failed when it was a witness', () => {
    const why = 'the witness logs could not answer: HTTP 503';
    expect(told(of('error', { why }))).toMatch(/observed healthy; not judged: the witness logs could not/u);
    expect(told(of('error', { why }), 3)).toMatch(/HTTP 503; 1 of 3 failures in a row that are borne$/u);
    expect(told(of('error', { why }))).not.toContain('metrics backend');
  });

  it('why nothing counts by a gate that has a vote', () => {
    const spared = { abstains: true, why: 'no usable number; so it has no vote' } as const;
    const last = of('inconclusive', spared, { why: 'web-1 had 2 restarts' });
    expect(told(last)).toMatch(/not counting: web-1 had 2 restarts$/u);
  });
});
