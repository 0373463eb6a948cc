/** What an exit code and a report may not leave out. */
import { describe, expect, it } from 'vitest';
import { leftOnVersion, uncoveredBy } from '../../src/domain/coverage.ts';
import type { LeftOutHost, NotPlanned } from '../../src/domain/plan.ts';
import type { Phase } from '../../src/domain/state.ts';
import { progress, rollout } from './rollout-states.ts';

const since = 0;
const done: Phase = { kind: 'done', since, notCovered: [] };
const back: Phase = { kind: 'rolled-back', since, cause: { kind: 'operator' } };
const canaryBack: Phase = { kind: 'rolled-back', since, cause: { kind: 'canary-finished' } };
const leftOut = (id: string, why: NotPlanned): LeftOutHost => ({
  id,
  name: `h${id}`,
  zone: 'z1',
  role: 'web',
  why,
});

const names = (state: ReturnType<typeof rollout>): string[] => {
  const { planned, leftOut: others } = uncoveredBy(state);
  return [...planned.map(({ host }) => host.name), ...others.map(({ name }) => name)];
};

describe('not covered', () => {
  it('are hosts of the plan that are not proven, but for those that are gone', () => {
    const hosts = [
      progress('1', 'verified'),
      progress('2', 'skipped'),
      progress('3', 'gone'),
      progress('4', 'reverted'),
    ];
    expect(names(rollout(hosts, { phase: done }))).toEqual(['h2', 'h4']);
  });

  const cases: [NotPlanned, boolean][] = [
    [{ kind: 'agent-absent' }, true],
    [{ kind: 'unreachable', why: 'timed out' }, true],
    [{ kind: 'incapable', evidence: 'systemd does not answer' }, true],
    [{ kind: 'no-artifact', architecture: 'arm64' }, true],
    [{ kind: 'no-way-back', packageVersion: '9.9.9', architecture: 'amd64' }, true],
    [{ kind: 'undecided', evidence: 'name gke-1' }, true],
    [{ kind: 'already-there', packageVersion: '5.10.2' }, false],
    [{ kind: 'exempt', rule: 'exempt[0]', reason: 'no', evidence: '' }, false],
    [{ kind: 'excluded', rule: 'include' }, false],
    [{ kind: 'not-running', status: 'TERMINATED' }, false],
    [{ kind: 'unsupported', evidence: 'os cos-117 has no dpkg' }, false],
  ];
  it.each(cases)('is or is not a host left out: %j %s', (why, is) => {
    expect(names(rollout([], { phase: done, leftOut: [leftOut('9', why)] }))).toEqual(is ? ['h9'] : []);
  });

  it('is a canary that was skipped: nobody has tried the version on its kind of host', () => {
    const hosts = [progress('1', 'verified'), progress('2', 'skipped')];
    expect(names(rollout(hosts, { kind: 'canary', keep: true, phase: done }))).toEqual(['h2']);
    const taken = [progress('1', 'reverted'), progress('2', 'skipped')];
    expect(names(rollout(taken, { kind: 'canary', phase: canaryBack }))).toEqual(['h2']);
  });

  it('is no host beyond the canaries of a canary', () => {
    const others = [leftOut('9', { kind: 'unreachable', why: 'timed out' })];
    expect(
      names(rollout([progress('1', 'verified')], { kind: 'canary', phase: done, leftOut: others })),
    ).toEqual([]);
  });
});

describe('left on a version that was taken back', () => {
  const there = [leftOut('9', { kind: 'already-there', packageVersion: '5.10.2' })];

  it('are hosts that had it before the rollout began', () => {
    expect(leftOnVersion(rollout([], { phase: back, leftOut: there }))).toEqual(there);
  });

  it.each([
    ['it is done', { phase: done }],
    ['only canaries went back as agreed', { kind: 'canary' as const, phase: canaryBack }],
    [
      'that version is the pin they are meant to run',
      { phase: back, pinBefore: { version: '5.10.2', digests: {} } },
    ],
  ])('are none where %s', (_, more) => {
    expect(leftOnVersion(rollout([], { leftOut: there, ...more }))).toEqual([]);
  });
});
