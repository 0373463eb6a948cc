/** Which wave takes a VM that was not there when the plan was made. */
import { describe, expect, it } from 'vitest';
import { foldEntries } from '../../src/domain/fold.ts';
import type { ClassifiedHost, Eligibility } from '../../src/domain/host.ts';
import { joinableWave, newcomersIn, newlyLeftOut } from '../../src/domain/newcomers.ts';
import type { LeftOutHost, NotPlanned } from '../../src/domain/plan.ts';
import type { Phase, RolloutState } from '../../src/domain/state.ts';
import { someHosts, somePolicy } from '../engine/world.ts';
import { chainOf, draft } from '../fakes/journal-entries.ts';
import { baking, plannedHost, progress, rollout, soaking } from './rollout-states.ts';

const since = 0;
const acting = (wave: number): Phase => ({ kind: 'acting', wave, since });
const passed = (wave: number): Phase => ({ kind: 'passed', wave, since });
const cause = { kind: 'operator' } as const;

describe('the wave that newcomers join', () => {
  /** Phase, waves planned, waves with those added, the wave. */
  const table: readonly [Phase, number, number, number | null][] = [
    [{ kind: 'planned' }, 0, 0, 0],
    [{ kind: 'planned' }, 1, 1, 1],
    [{ kind: 'planned' }, 3, 3, 2],
    [acting(0), 3, 3, 2],
    [soaking(), 3, 3, 2],
    [passed(1), 3, 3, 2],
    [acting(2), 3, 3, 3],
    [passed(2), 3, 3, 3],
    [passed(2), 3, 4, 3],
    [acting(3), 3, 4, null],
    [passed(3), 3, 4, null],
    [acting(0), 1, 1, 1],
    [acting(0), 1, 2, 1],
    [acting(0), 0, 1, null],
    [baking(), 3, 3, null],
    [{ kind: 'done', since, notCovered: [] }, 3, 3, null],
    [{ kind: 'rolling-back', since, cause }, 3, 3, null],
    [{ kind: 'rollback-incomplete', since, cause }, 3, 3, null],
    [{ kind: 'rolled-back', since, cause }, 3, 3, null],
    [{ kind: 'aborted', since }, 3, 3, null],
  ];

  it.each(table)('%j of %i planned and %i in all: %s', (phase, plannedWaves, waveCount, wave) => {
    expect(joinableWave(rollout([], { phase, plannedWaves, waveCount }))).toBe(wave);
    expect(joinableWave(rollout([], { phase, plannedWaves, waveCount, rollbackRequested: true }))).toBeNull();
  });
});

const [host] = someHosts(1);
const classified = (id: string, eligibility: Eligibility = { kind: 'eligible' }): ClassifiedHost => {
  if (host === undefined) throw new Error('no host');
  return { host: { ...host, id, name: `h${id}` }, eligibility };
};
const leftOut = (id: string, why: NotPlanned): LeftOutHost => ({
  id,
  name: `h${id}`,
  zone: 'z1',
  role: 'web',
  why,
});

describe('newcomers are', () => {
  const ids = (state: RolloutState, ...hosts: ClassifiedHost[]): string[] =>
    newcomersIn(state, hosts).map((one) => one.host.id);

  it('those who must have the agent, or of whom nobody has said, and whom the plan did not know', () => {
    const state = rollout([progress('1', 'gone')], {
      leftOut: [leftOut('2', { kind: 'unreachable', why: 'x' })],
    });
    const found = ids(
      state,
      classified('1'),
      classified('2'),
      classified('3'),
      classified('4', { kind: 'undecided', evidence: 'x' }),
      classified('5', { kind: 'not-running', status: 'STAGING' }),
      classified('6', { kind: 'excluded', rule: 'include' }),
    );
    expect(found).toEqual(['3', '4']);
  });

  it('those whom the plan left out because they need not have the agent, once they must', () => {
    const reasons: NotPlanned[] = [
      { kind: 'not-running', status: 'TERMINATED' },
      { kind: 'exempt', rule: 'exempt[0]', reason: 'x', evidence: 'y' },
      { kind: 'excluded', rule: 'include' },
      { kind: 'unsupported', evidence: 'os cos' },
    ];
    for (const why of reasons) {
      const state = rollout([], { leftOut: [leftOut('7', why)] });
      expect(ids(state, classified('7'))).toEqual(['7']);
      expect(ids({ ...state, phase: baking() }, classified('7'))).toEqual(['7']);
      expect(ids(state, classified('7', { kind: 'not-running', status: 'STOPPING' }))).toEqual([]);
    }
  });

  it.each<[NotPlanned, boolean]>([
    [{ kind: 'unreachable', why: 'boots' }, true],
    [{ kind: 'agent-absent' }, true],
    [{ kind: 'undecided', evidence: 'x' }, true],
    [{ kind: 'already-there', packageVersion: '1' }, false],
    [{ kind: 'born-late' }, false],
  ])('looked at again while a wave could take them: %j %s', (why, again) => {
    const known = { leftOut: [leftOut('7', why)], newcomers: new Set(['7']) };
    expect(ids(rollout([], known), classified('7'))).toEqual(again ? ['7'] : []);
    expect(ids(rollout([], { ...known, phase: baking() }), classified('7'))).toEqual([]);
  });

  it('nothing to a canary, to what has ended, or to what is to be rolled back', () => {
    for (const more of [
      { kind: 'canary' as const },
      { phase: { kind: 'done' as const, since, notCovered: [] } },
      { rollbackRequested: true },
    ])
      expect(ids(rollout([], more), classified('7'))).toEqual([]);
  });

  it('listed once for the same reason', () => {
    const state = rollout([], { leftOut: [leftOut('7', { kind: 'unreachable', why: 'a' })] });
    expect(newlyLeftOut(state, [leftOut('7', { kind: 'unreachable', why: 'b' })])).toEqual([]);
    expect(newlyLeftOut(state, [leftOut('7', { kind: 'agent-absent' })])).toHaveLength(1);
  });
});

describe('an entry of newcomers', () => {
  const planned = draft({
    kind: 'rollout-planned',
    rolloutId: 'gstg-1',
    rolloutKind: 'deploy',
    version: '5.10.2',
    artifacts: {},
    plan: {
      population: { environment: 1, byZone: { z1: 1 }, byRole: { web: 1 } },
      waves: [{ index: 0, hosts: [plannedHost('1')] }],
      leftOut: [],
    },
    policy: somePolicy,
  });
  const fold = (...bodies: Parameters<typeof draft>[0][]): RolloutState => {
    const { rollout: folded } = foldEntries(chainOf([planned, ...bodies.map((body) => draft(body))]));
    if (folded === null) throw new Error('no rollout');
    return folded;
  };
  const silent = leftOut('3', { kind: 'unreachable', why: 'boots' });

  it('adds a wave, hosts and who was left out, and widens what percentages are of', () => {
    const state = fold({
      kind: 'hosts-joined',
      wave: 1,
      hosts: [plannedHost('2', { zone: 'z2' })],
      leftOut: [silent],
    });
    expect(state).toMatchObject({ waveCount: 2, plannedWaves: 1, leftOut: [silent] });
    expect(state.hosts.get('2')).toMatchObject({ wave: 1, state: 'pending', touched: false });
    expect(state.population).toEqual({ environment: 2, byZone: { z1: 1, z2: 1 }, byRole: { web: 2 } });
    expect([...state.newcomers]).toEqual(['2', '3']);
  });

  it('takes one who was left out at first into its wave', () => {
    const state = fold(
      { kind: 'hosts-joined', wave: 1, hosts: [], leftOut: [silent] },
      { kind: 'hosts-joined', wave: 1, hosts: [plannedHost('3')], leftOut: [] },
    );
    expect([state.leftOut, state.hosts.get('3')?.wave, state.waveCount]).toEqual([[], 1, 2]);
  });

  it('adds no wave for those who are only listed, and never changes a host that is known', () => {
    const state = fold(
      { kind: 'wave-started', wave: 0 },
      { kind: 'hosts-intended', action: 'upgrade', hosts: ['1'] },
      {
        kind: 'hosts-joined',
        wave: 1,
        hosts: [plannedHost('1')],
        leftOut: [leftOut('1', { kind: 'born-late' })],
      },
    );
    expect([state.waveCount, state.leftOut, state.hosts.get('1')?.state]).toEqual([1, [], 'installing']);
    expect(state.population.environment).toBe(1);
  });
});
