/** A watch whose hosts somebody stops and starts in the middle of it. */
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/domain/decide.ts';
import { applyEntry, foldEntries } from '../../src/domain/fold.ts';
import type { Judgement } from '../../src/domain/gate.ts';
import type { HostOutcome } from '../../src/domain/host-outcome.ts';
import type { Entry, EntryBody } from '../../src/domain/journal.ts';
import { EMPTY_STATE, type EnvironmentState, type RolloutState } from '../../src/domain/state.ts';
import { chainOf, draft } from '../fakes/journal-entries.ts';
import { calm, NOW, progress, rollout, soaking } from './rollout-states.ts';

const GATE = {
  name: 'agent-alive',
  query: 'up',
  unit: 'processes',
  direction: 'below',
  limit: 1,
  windowMs: 4_000,
  forMs: 3_000,
} as const;

function soakingSince(since: number): RolloutState {
  const made = rollout([progress('1', 'verified', { touched: true })], {
    phase: soaking({ judgedTo: since }),
  });
  return { ...made, policy: { ...made.policy, gates: [GATE], sampleEveryMs: 1_000, sampleDelayMs: 0 } };
}

function told(state: EnvironmentState, at: number, body: EntryBody): EnvironmentState {
  const [entry] = chainOf([draft(body, { at })]);
  if (entry === undefined) throw new Error('no entry');
  return applyEntry(state, entry);
}

function answered(happenedAt: number, service: 'running' | 'stopped', id = '1'): EntryBody {
  const outcome = { kind: 'proven', service, version: '5.10.2', held: false, notes: [] } as const;
  const hosts = [{ id, name: `web-${id}`, outcome, tookMs: 10 }];
  const verb = service === 'running' ? 'start' : 'stop';
  return { kind: 'lifecycle-answered', actionId: `${verb}-1`, part: 1, happenedAt, verb, now: false, hosts };
}

const judgedFrom = (state: EnvironmentState, now: number): number | string => {
  const { rollout: made } = state;
  if (made === null) throw new Error('no rollout');
  const decision = decide(made, calm, now);
  return decision.next === 'judge' ? decision.from : decision.next;
};

describe('a watch', () => {
  it('is judged only from the gates’ look-back behind a start on, however long the agent was down before', () => {
    const before = { ...EMPTY_STATE, rollout: soakingSince(NOW - 60_000) };
    expect(judgedFrom(before, NOW)).toBe(NOW - 60_000);
    const stopped = told(before, NOW - 50_000, answered(NOW - 50_000, 'stopped'));
    const started = told(stopped, NOW - 20_000, answered(NOW - 20_000, 'running'));
    expect(judgedFrom(started, NOW)).toBe(NOW - 20_000 + GATE.windowMs + GATE.forMs);
    expect(judgedFrom(started, NOW - 19_000)).toBe('wait');
  });

  it('stays so when the metrics backend fails in between', () => {
    const started = told(
      { ...EMPTY_STATE, rollout: soakingSince(NOW - 60_000) },
      NOW - 20_000,
      answered(NOW - 20_000, 'running'),
    );
    const judgement = {
      kind: 'error',
      from: NOW - 13_000,
      to: NOW - 5_000,
      observedMs: 0,
      gates: [],
    } as const;
    const failed = told(started, NOW - 5_000, { kind: 'judged', judgement });
    expect(judgedFrom(failed, NOW)).toBe(NOW - 13_000);
  });

  it('that begins behind it is judged from there on too, whatever phase it was in then', () => {
    const passed = {
      ...soakingSince(NOW - 60_000),
      phase: { kind: 'passed', wave: 1, since: NOW - 60_000 } as const,
    };
    const started = told({ ...EMPTY_STATE, rollout: passed }, NOW - 5_000, answered(NOW - 5_000, 'running'));
    const pin = { version: '5.10.2', digests: {} };
    const baking = told(started, NOW - 1_000, { kind: 'bake-started', pin });
    expect(judgedFrom(baking, NOW)).toBe('wait');
    expect(judgedFrom(baking, NOW + 60_000)).toBe(NOW - 5_000 + GATE.windowMs + GATE.forMs);
  });

  it('that had seen enough goes on for a soak behind a start: what runs again has not been watched', () => {
    const before = { ...EMPTY_STATE, rollout: soakingSince(NOW - 60_000) };
    const judged = (state: EnvironmentState, from: number, to: number): EnvironmentState =>
      told(state, to, {
        kind: 'judged',
        judgement: { kind: 'pass', from, to, observedMs: to - from, gates: [] },
      });
    const enough = judged(before, NOW - 60_000, NOW - 20_000);
    expect(judgedFrom(enough, NOW)).toBe('record');
    const started = told(enough, NOW - 15_000, answered(NOW - 15_000, 'running'));
    const behind = NOW - 15_000 + GATE.windowMs + GATE.forMs;
    expect(judgedFrom(started, NOW)).toBe(behind);
    expect(judgedFrom(judged(started, behind, behind + 29_000), behind + 30_000)).toBe(behind + 29_000);
    expect(judgedFrom(judged(started, behind, behind + 30_000), behind + 31_000)).toBe('record');
  });

  it('asks a host what runs there that a killed stop was meant for, and judges it no more', () => {
    const before = { ...EMPTY_STATE, rollout: soakingSince(NOW - 60_000) };
    const meant = told(before, NOW - 50_000, {
      kind: 'lifecycle-intended',
      actionId: 'stop-1',
      part: 0,
      happenedAt: NOW - 50_000,
      verb: 'stop',
      now: false,
      emergency: true,
      hosts: [{ id: '1', name: 'web-1' }],
      inventoryAt: NOW - 50_000,
    });
    const { rollout: made } = meant;
    if (made === null) throw new Error('no rollout');
    const decision = decide(made, calm, NOW);
    expect(decision).toMatchObject({ next: 'act', action: 'prove', hosts: ['1'] });
    expect(decision.reason.message).toContain('stop-1');
    const stop = { kind: 'paused', since: NOW, by: made.plannedBy, reason: 'INC-12' } as const;
    expect(decide({ ...made, stop }, calm, NOW)).toMatchObject({ next: 'hold', reason: { code: 'paused' } });
  });

  it('goes on undisturbed by what is done to a host that the rollout has not touched', () => {
    const before = { ...EMPTY_STATE, rollout: soakingSince(NOW - 60_000) };
    expect(judgedFrom(told(before, NOW - 20_000, answered(NOW - 20_000, 'running', '9')), NOW)).toBe(
      NOW - 60_000,
    );
  });
});

/** Something that entries come behind. */
function at(seq: number): Entry {
  const [entry] = chainOf([draft()]);
  if (entry === undefined) throw new Error('no entry');
  return { ...entry, seq };
}

describe('a verdict that agents do not run', () => {
  const gates = (direction: 'above' | 'below') => [
    {
      gate: 'g',
      kind: 'fail',
      unit: 'u',
      direction,
      limit: 1,
      query: 'q',
      samples: 1,
      offenders: [{ hostId: '1', hostName: 'h1', value: 0, at: NOW - 6_000 }],
      silent: [],
      why: 'h1 had 0',
    } as const,
  ];
  const verdict = (direction: 'above' | 'below'): Judgement => ({
    kind: 'fail',
    from: NOW - 10_000,
    to: NOW - 5_000,
    observedMs: 0,
    gates: gates(direction),
  });
  const judgedAs = (direction: 'above' | 'below') =>
    foldEntries(
      chainOf([draft({ kind: 'judged', judgement: verdict(direction) }, { at: NOW - 4_000 })], at(10)),
      { ...EMPTY_STATE, rollout: soakingSince(NOW - 60_000) },
    );
  const asked = (outcome: HostOutcome) =>
    foldEntries(
      chainOf(
        [
          draft({ kind: 'hosts-intended', action: 'prove', hosts: ['1'] }, { at: NOW - 3_000 }),
          draft(
            { kind: 'hosts-answered', action: 'prove', hosts: [{ id: '1', outcome, tookMs: 1 }] },
            { at: NOW },
          ),
        ],
        at(11),
      ),
      judgedAs('below'),
    );
  const next = ({ rollout: made }: EnvironmentState) => (made === null ? null : decide(made, calm, NOW));
  const proven = (service: 'running' | 'left-stopped') =>
    ({ kind: 'verified', sha256: 's', packageVersion: '1', service }) as const;

  it('asks them first, once, and a verdict on anything else does not', () => {
    expect(next(judgedAs('below'))).toMatchObject({ next: 'act', action: 'prove', hosts: ['1'] });
    expect(next(judgedAs('above'))).toMatchObject({ next: 'record', body: { kind: 'rollback-started' } });
  });

  it('beside one that names no host, such as a command’s exit code, asks nobody: no answer could excuse that', () => {
    const told = { ...gates('below')[0], gate: 'ingest', samples: 1, offenders: [], why: 'exit 1' } as never;
    const judgement = { ...verdict('below'), gates: [...gates('below'), told] };
    const state = foldEntries(chainOf([draft({ kind: 'judged', judgement }, { at: NOW - 4_000 })], at(10)), {
      ...EMPTY_STATE,
      rollout: soakingSince(NOW - 60_000),
    });
    expect(next(state)).toMatchObject({
      next: 'record',
      body: { kind: 'rollback-started' },
      reason: { code: 'gate-failed', message: 'h1 had 0; exit 1' },
    });
  });

  it('rolls back where the agent is meant to run, failed, or does not answer', () => {
    for (const outcome of [
      proven('running'),
      { kind: 'failed', failure: 'start-failed', step: 'proof', message: '' },
      { kind: 'no-answer', why: 'unreachable', message: '' },
    ] as const)
      expect(next(asked(outcome))).toMatchObject({
        next: 'record',
        body: { kind: 'rollback-started', cause: { kind: 'verdict' } },
      });
  });

  it('is nobody’s fault where somebody had stopped it, also once it runs again', () => {
    const stopped = asked(proven('left-stopped'));
    expect(next(stopped)).toMatchObject({ next: 'hold', reason: { code: 'no-witness' } });
    const started = told(stopped, NOW, answered(NOW, 'running'));
    expect(next(started)).toMatchObject({ next: 'wait' });
  });
});
