import { describe, expect, it } from 'vitest';
import { chooseControls, controlHosts, MOST_CONTROLS } from '../../src/domain/control-hosts.ts';
import { decide } from '../../src/domain/decide.ts';
import type { Decision } from '../../src/domain/decision.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';
import type { HostProgress, RolloutState } from '../../src/domain/state.ts';
import { gate, somePolicy } from '../engine/world.ts';
import { baking, calm, judgement, NOW, plannedHost, progress, rollout, soaking } from './rollout-states.ts';

const compare = {
  with: 'control',
  effect: 0.02,
  relativeEffect: 0,
  alpha: 0.01,
  overMs: 60_000,
  beforeMs: 60_000,
  tooFew: 'abstain',
} as const;
const comparing = { ...somePolicy, gates: [gate('cpu', { compare })] };
const none = new Set<string>();

const changed = (id: string, stratum = 'web') =>
  progress(id, 'verified', { host: plannedHost(id, { stratum }) });
const later = (id: string, more: Partial<HostProgress> = {}, stratum = 'web') =>
  progress(id, 'pending', { wave: 1, host: plannedHost(id, { stratum }), ...more });

const soak = (hosts: readonly HostProgress[], more: Partial<RolloutState> = {}) =>
  rollout(hosts, {
    phase: soaking({ judgedTo: NOW - 20_000, lastAt: NOW - 20_000 }),
    policy: comparing,
    ...more,
  });

const chosen = (state: RolloutState, held = none) =>
  controlHosts(
    state,
    [...state.hosts.values()].filter((host) => host.state === 'verified'),
    held,
  );

describe('controls', () => {
  it('are hosts of later waves, of other strata too', () => {
    expect(chosen(soak([changed('1'), later('2'), later('3', {}, 'db')]))).toEqual(['2', '3']);
  });

  it.each<[string, Partial<HostProgress>]>([
    ['was touched', { touched: true }],
    ['was touched before it was gone', { touchedBefore: true }],
    ['is gone', { state: 'gone' }],
    ['was changed too', { state: 'verified' }],
    ['is being changed', { state: 'installing' }],
    ['went back by itself and waits in the present wave', { wave: 0 }],
    ['has an agent that somebody stopped', { leftStopped: true }],
    ['may have been stopped by somebody', { unheard: 'stop' }],
  ])('never have a host that %s', (_, more) => {
    const state = soak([changed('1'), later('2', more), later('3')]);
    expect(controlHosts(state, [changed('1')], none)).toEqual(['3']);
  });

  it('never have a host that is held', () => {
    expect(chosen(soak([changed('1'), later('2'), later('3')]), new Set(['3']))).toEqual(['2']);
  });

  it('are those who stay unchanged longest, so that they stay the same from wave to wave', () => {
    const many = Array.from({ length: 50 }, (_, index) => later(`${index + 10}`));
    const ids = chosen(soak([changed('1'), ...many]));
    expect(ids).toHaveLength(30);
    expect(ids[0]).toBe('30');
    expect(ids.at(-1)).toBe('59');
  });

  it('are at most 600, and strata with changed hosts come before the others', () => {
    const hosts = Array.from({ length: 50 }, (_, stratum) =>
      Array.from({ length: 40 }, (_, index) => ({ id: `${stratum}-${index}`, stratum: `s${stratum}` })),
    ).flat();
    const picked = chooseControls(hosts, new Set(['s3', 's7']));
    expect(picked).toHaveLength(MOST_CONTROLS);
    const of = (stratum: string) => picked.filter((host) => host.stratum === stratum).length;
    expect([of('s3'), of('s7')]).toEqual([30, 30]);
    expect(Math.min(...Array.from({ length: 50 }, (_, stratum) => of(`s${stratum}`)))).toBeGreaterThan(10);
    expect(chooseControls(hosts, new Set(['s3', 's7']))).toEqual(picked);
  });

  it('are nobody where no gate compares with control, in a bake, and in a rollback', () => {
    const hosts = [changed('1'), later('2')];
    const before: readonly GatePolicy[] = [gate('cpu', { compare: { ...compare, with: 'before' } })];
    expect(chosen(soak(hosts, { policy: somePolicy }))).toEqual([]);
    expect(chosen(soak(hosts, { policy: { ...somePolicy, gates: before } }))).toEqual([]);
    expect(chosen(soak(hosts, { phase: baking() }))).toEqual([]);
    expect(chosen(soak(hosts, { kind: 'rollback' }))).toEqual([]);
  });

  it('of a canary are those that its plan names', () => {
    const controls = [plannedHost('7'), plannedHost('8')];
    const state = soak([changed('1')], { kind: 'canary', controls, waveCount: 1 });
    expect(chosen(state)).toEqual(['7', '8']);
    expect(chosen(state, new Set(['8']))).toEqual(['7']);
  });
});

describe('the decision to judge', () => {
  const judged = (state: RolloutState, more = {}): Extract<Decision, { next: 'judge' }> | null => {
    const decision = decide(state, { ...calm, ...more }, NOW);
    return decision.next === 'judge' ? decision : null;
  };

  it('names the controls, and when the watch began', () => {
    const decision = judged(soak([changed('1'), later('2'), later('3')]), { held: new Set(['2']) });
    expect(decision).toMatchObject({ hosts: ['1'], controls: ['3'], since: NOW - 120_000 });
  });

  it('names none where there is none, which older programs understand', () => {
    expect(judged(soak([changed('1')]))).not.toHaveProperty('controls');
  });
});

describe('errors of the metrics backend', () => {
  const failing = (errorsInARow: number, consecutiveErrors?: number) =>
    decide(
      rollout([changed('1')], {
        phase: soaking({ last: judgement('error'), lastAt: NOW, errorsInARow }),
        policy: consecutiveErrors === undefined ? somePolicy : { ...somePolicy, consecutiveErrors },
      }),
      calm,
      NOW,
    );

  it('hold at once where nothing else is said', () => {
    expect(failing(1)).toMatchObject({ next: 'hold', reason: { code: 'metrics-error' } });
  });

  it('are borne as waiting as often as is said, and then hold', () => {
    expect(failing(2, 2)).toMatchObject({
      next: 'wait',
      reason: { code: 'metrics-error', message: expect.stringContaining('2 of 2 failures in a row') },
    });
    expect(failing(3, 2)).toMatchObject({ next: 'hold', reason: { code: 'metrics-error' } });
  });
});
