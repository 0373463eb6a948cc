import { describe, expect, it } from 'vitest';
import { type GaugeName, gaugesOf } from '../../src/domain/own-measures.ts';
import { EMPTY_STATE, type EnvironmentState } from '../../src/domain/state.ts';
import { baking, judgement, NOW, paused, progress, rollout, soaking, watch } from './rollout-states.ts';

const GSTG = { name: 'gstg', freeze: [] };

function told(state: Partial<EnvironmentState>, gauge: GaugeName) {
  return gaugesOf(GSTG, { ...EMPTY_STATE, ...state }, NOW)
    .filter(({ name }) => name === gauge)
    .map(({ labels, value }) => {
      const { environment, ...rest } = labels;
      expect(environment).toBe('gstg');
      return [rest, value] as const;
    });
}

describe('what the program tells of itself', () => {
  it('an environment in which nothing was ever done tells so, and nothing of a rollout', () => {
    expect(told({}, 'rollout_under_way')).toEqual([[{}, 0]]);
    expect(told({}, 'rollout_held')).toEqual([[{ code: '' }, 0]]);
    expect(told({}, 'rollout_info')).toEqual([]);
    expect(told({}, 'rollout_hosts')).toEqual([]);
  });

  it('counts hosts by state, also the states that nobody is in', () => {
    const state = {
      rollout: rollout([progress('1', 'verified'), progress('2', 'pending')], { phase: soaking() }),
    };
    const hosts = new Map(told(state, 'rollout_hosts').map(([labels, value]) => [labels['state'], value]));
    expect(hosts.get('verified')).toBe(1);
    expect(hosts.get('pending')).toBe(1);
    expect(hosts.get('failed')).toBe(0);
    expect([...hosts.values()].reduce((a, b) => a + b)).toBe(2);
  });

  it('a paused rollout is held, with the code that status says', () => {
    const state = { rollout: rollout([progress('1', 'pending')], { stop: paused }) };
    expect(told(state, 'rollout_held')).toEqual([[{ code: 'paused' }, 1]]);
    expect(told(state, 'rollout_under_way')).toEqual([[{}, 1]]);
  });

  it('a rollout that has ended is not under way, and held by nothing', () => {
    const phase = { kind: 'done', since: NOW - 1_000, notCovered: [] } as const;
    const state = { rollout: rollout([progress('1', 'verified')], { phase }) };
    expect(told(state, 'rollout_under_way')).toEqual([[{}, 0]]);
    expect(told(state, 'rollout_held')).toEqual([[{ code: '' }, 0]]);
    expect(told(state, 'rollout_phase_started_timestamp_seconds')).toEqual([[{}, (NOW - 1_000) / 1000]]);
  });

  it('a bake tells what was observed and what is required, in seconds, and every gate with its verdict', () => {
    const last = judgement('inconclusive');
    const phase = baking({ ...watch(), observedMs: 90_000, last, lastAt: NOW - 5_000 });
    const state = { rollout: rollout([progress('1', 'verified')], { phase }) };
    expect(told(state, 'rollout_watch_observed_seconds')).toEqual([[{ watch: 'bake' }, 90]]);
    expect(told(state, 'rollout_watch_required_seconds')).toEqual([
      [{ watch: 'bake' }, (state.rollout.policy.bakeMs ?? 0) / 1000],
    ]);
    const verdicts = told(state, 'rollout_gate_verdict').filter(([, value]) => value === 1);
    expect(verdicts).toHaveLength(last.gates.length);
    expect(verdicts.every(([labels]) => labels['verdict'] === 'inconclusive')).toBe(true);
    expect(told(state, 'rollout_last_evaluation_timestamp_seconds')).toEqual([[{}, (NOW - 5_000) / 1000]]);
  });

  it('counts the hosts that would go back by themselves', () => {
    const armed = progress('1', 'verified', { armedUntil: NOW + 60_000 });
    const state = { rollout: rollout([armed, progress('2', 'verified')], { phase: soaking() }) };
    expect(told(state, 'rollout_hosts_armed')).toEqual([[{}, 1]]);
  });

  it('tells of holds that are past their end', () => {
    const held = (id: string, until: number) =>
      [
        id,
        {
          id,
          name: id,
          zone: 'z',
          role: 'web',
          state: 'confirmed',
          terms: { actionId: 'stop-1', environment: 'gstg', by: 'a@b', reason: 'r', since: NOW - 9, until },
        },
      ] as const;
    const holds = new Map([held('1', NOW - 1), held('2', NOW + 1)]) as unknown as EnvironmentState['holds'];
    expect(told({ holds }, 'rollout_holds')).toEqual([[{}, 2]]);
    expect(told({ holds }, 'rollout_holds_due')).toEqual([[{}, 1]]);
  });
});
