/** A plan tells everything that must come together for a gate to fail. */
import { expect, it } from 'vitest';
import { BUILTIN_GATES } from '../../src/domain/builtin-gates.ts';
import { gateRuleWords } from '../../src/domain/gate-rule-words.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';

const cpu: GatePolicy = {
  name: 'cpu',
  query: 'q',
  unit: 'cores',
  direction: 'above',
  limit: 0.1,
  windowMs: 60_000,
  forMs: 1_000,
};
const compare = {
  with: 'control',
  effect: 0.02,
  relativeEffect: 0.25,
  alpha: 0.005,
  overMs: 1_200_000,
  beforeMs: 1,
  tooFew: 'hold',
} as const;
const told = (more: Partial<GatePolicy>): string => gateRuleWords({ ...cpu, ...more }, false);

it.each<[string, Partial<GatePolicy>, string]>([
  ['a limit alone', {}, 'fails above 0.1 cores for 1s on any host; window 1m'],
  [
    'a share of the hosts, several times in a row',
    { weight: { kind: 'share', share: 0.5 }, failures: 3 },
    'fails above 0.1 cores for 1s on more than 50 % of the hosts, or on two hosts and more than 50 % of one kind, at 3 evaluations in a row; window 1m',
  ],
  [
    'the median host',
    { weight: { kind: 'quantile', quantile: 0.5 } },
    'fails above 0.1 cores for 1s on the median host; window 1m',
  ],
  [
    'a comparison',
    { compare },
    'fails above 0.1 cores for 1s on any host; also fails where worse than control hosts by at least 0.02 cores and 25 % of what those have over 20m (p <= 0.005), and holds where there are too few to tell; window 1m',
  ],
  [
    'bytes, and what is done without numbers',
    {
      unit: 'bytes',
      limit: 250e6,
      forMs: 0,
      windowMs: 0,
      minSamples: 3,
      minCoverage: 0.8,
      noData: 'fail',
      backendErrors: 'abstain',
    },
    'fails above 250 MB on any host; at least 3 numbers a host; numbers for at least 80 % of the time; no number counts as over the limit; where its source fails the other gates decide',
  ],
])('%s', (_, more, words) => {
  expect(told(more)).toBe(words);
});

it('of a witness that says pass or fail itself there is no limit', () => {
  const told = gateRuleWords(
    { ...cpu, source: { kind: 'witness', witness: 'ours' }, failures: 2, windowMs: 0 },
    true,
  );
  expect(told).toBe('fails where its witness says so, at 2 evaluations in a row; of the witness ours');
});

it('of each gate that ships something is said, and nothing is left open', () => {
  for (const gate of Object.values(BUILTIN_GATES)) {
    const words = gateRuleWords(gate, false);
    expect(words).toMatch(/^fails (?:above|below) \d/u);
    expect(words).not.toMatch(/NaN|undefined|Infinity| {2}/u);
  }
});
