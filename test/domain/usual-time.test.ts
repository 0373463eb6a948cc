/** What was usual lies before a rollout's first change, and before that of earlier ones which were taken back. */
import { describe, expect, it } from 'vitest';
import { applyEntry } from '../../src/domain/fold.ts';
import type { Entry, RolloutKind } from '../../src/domain/journal.ts';
import {
  EMPTY_STATE,
  type HostProgress,
  type Phase,
  type RolloutState,
  type UnusualTime,
} from '../../src/domain/state.ts';
import { unusualBefore, usualTime } from '../../src/domain/usual-time.ts';
import { chainOf, draft } from '../fakes/journal-entries.ts';
import { NOW, progress, rollout } from './rollout-states.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ago = (ms: number): number => NOW - ms;

const asked = (unusual: readonly UnusualTime[]) =>
  usualTime({ until: NOW, unusual, beforeMs: HOUR, clearMs: 15 * MINUTE });
const known = (until: number, beforeMs = HOUR) => ({ kind: 'known', until, beforeMs });

describe('what was usual', () => {
  it('lies right before the first change where no rollout was at the hosts lately', () => {
    expect(asked([])).toEqual(known(NOW));
    expect(asked([{ from: ago(5 * HOUR), to: ago(2 * HOUR) }])).toEqual(known(NOW));
  });

  it('lies before an earlier rollout that was taken back within the time wanted, or a gate’s reach before that', () => {
    expect(asked([{ from: ago(50 * MINUTE), to: ago(20 * MINUTE) }])).toEqual(known(ago(50 * MINUTE)));
    const justNear = { from: ago(2 * HOUR), to: ago(75 * MINUTE) + 1 };
    expect(asked([justNear])).toEqual(known(justNear.from));
    expect(asked([{ ...justNear, to: justNear.to - 1 }])).toEqual(known(NOW));
  });

  it('lies before the first of many retries, each within reach of the next', () => {
    const tries = [5, 4, 3, 2, 1].map((hours) => ({
      from: ago(hours * HOUR),
      to: ago(hours * HOUR - 20 * MINUTE),
    }));
    expect(asked(tries)).toEqual(known(ago(5 * HOUR)));
    const longBefore = { from: ago(20 * HOUR), to: ago(10 * HOUR) };
    expect(asked([longBefore, ...tries])).toEqual(known(ago(5 * HOUR)));
  });

  it('lies before a bake of a day that ended in a way back', () => {
    expect(asked([{ from: ago(30 * HOUR), to: ago(10 * MINUTE) }])).toEqual(known(ago(30 * HOUR)));
  });

  it('is no further back than a week: then what lies behind the way back serves, if it is enough', () => {
    expect(asked([{ from: ago(8 * DAY), to: ago(45 * MINUTE) }])).toEqual(known(NOW, 30 * MINUTE));
    expect(asked([{ from: ago(8 * DAY), to: ago(30 * MINUTE) }])).toEqual(known(NOW, 15 * MINUTE));
  });

  it('is not known where that is not enough, and it is said how long behind a way back it will be', () => {
    const [from, to] = [ago(8 * DAY), ago(29 * MINUTE)];
    expect(asked([{ from, to }])).toEqual({ kind: 'unknown', since: from, waitMs: 30 * MINUTE });
  });
});

describe('a rollout leaves a time that was not usual', () => {
  const [from, to] = [ago(50 * MINUTE), ago(20 * MINUTE)];
  const cause = { kind: 'operator' } as const;
  const before = (phase: Phase, more: Partial<RolloutState> = {}, hosts: readonly HostProgress[] = []) =>
    rollout(hosts, { phase, startedAt: from, ...more });
  const left = (one: RolloutState | null, kind: RolloutKind = 'deploy') =>
    unusualBefore(one, { kind, at: NOW });
  const touched = progress('1', 'verified');

  it.each<[string, RolloutState | null, RolloutKind, readonly UnusualTime[]]>([
    ['none was before', null, 'deploy', []],
    ['rolled back', before({ kind: 'rolled-back', since: to, cause }), 'deploy', [{ from, to }]],
    [
      'of a canary, taken back',
      before({ kind: 'rolled-back', since: to, cause: { kind: 'canary-finished' } }, { kind: 'canary' }),
      'promote',
      [{ from, to }],
    ],
    ['done: its version stayed', before({ kind: 'done', since: to, notCovered: [] }), 'deploy', []],
    [
      'done, and taken back by the next: until that begins',
      before({ kind: 'done', since: to, notCovered: [] }),
      'rollback',
      [{ from, to: NOW }],
    ],
    [
      'a rollback to an older version, done',
      before({ kind: 'done', since: to, notCovered: [] }, { kind: 'rollback' }),
      'deploy',
      [{ from, to }],
    ],
    ['aborted, with all hosts back', before({ kind: 'aborted', since: to }), 'deploy', [{ from, to }]],
    [
      'aborted, with hosts that stayed on it',
      before({ kind: 'aborted', since: to }, {}, [touched]),
      'rollback',
      [{ from, to: NOW }],
    ],
    [
      'aborted before anything was changed',
      before({ kind: 'aborted', since: to }, { startedAt: 0 }),
      'deploy',
      [],
    ],
  ])('%s', (_, one, kind, expected) => {
    expect(left(one, kind)).toEqual(expected);
  });

  it('behind those that it knew of itself, also where it left none', () => {
    const unusual = [{ from: ago(5 * HOUR), to: ago(4 * HOUR) }];
    expect(left(before({ kind: 'rolled-back', since: to, cause }, { unusual }))).toEqual([
      ...unusual,
      { from, to },
    ]);
    expect(left(before({ kind: 'done', since: to, notCovered: [] }, { unusual }))).toEqual(unusual);
  });

  it('of which twenty are remembered, and none of what was before becomes usual', () => {
    let one = before({ kind: 'rolled-back', since: to, cause });
    for (let turn = 0; turn < 30; turn += 1) {
      const phase = { kind: 'rolled-back', since: to + turn, cause } as const;
      one = before(phase, { startedAt: from + turn, unusual: left(one) });
    }
    const times = left(one);
    expect(times).toHaveLength(20);
    expect(times[0]?.from).toBe(from);
    expect(times.at(-1)?.from).toBe(from + 29);
  });

  it('which the next one finds in the journal, and a state without any has none', () => {
    const plan = { waves: [], leftOut: [], population: { environment: 0, byZone: {}, byRole: {} } };
    const planned = (at: number): Entry => {
      const { artifacts, policy, version } = rollout([]);
      const [entry] = chainOf([
        draft(
          {
            kind: 'rollout-planned',
            rolloutId: 'gstg-2',
            rolloutKind: 'deploy',
            version,
            artifacts,
            plan,
            policy,
          },
          { at },
        ),
      ]);
      if (entry === undefined) throw new Error('no entry');
      return entry;
    };
    const first = applyEntry(EMPTY_STATE, planned(NOW));
    expect(first.rollout).not.toHaveProperty('unusual');
    const back = { ...EMPTY_STATE, rollout: before({ kind: 'rolled-back', since: to, cause }) };
    expect(applyEntry(back, planned(NOW)).rollout?.unusual).toEqual([{ from, to }]);
  });
});
