import { describe, expect, it } from 'vitest';
import { decide } from '../../src/domain/decide.ts';
import type { Decision, Observations } from '../../src/domain/decision.ts';
import { applyEntry, isFinished } from '../../src/domain/fold.ts';
import type { Judgement } from '../../src/domain/gate.ts';
import type { EntryBody, Pin } from '../../src/domain/journal.ts';
import {
  EMPTY_STATE,
  type HostState,
  type Phase,
  type RolloutState,
  type Stop,
} from '../../src/domain/state.ts';
import { gate, somePolicy } from '../engine/world.ts';
import { chainOf, draft } from '../fakes/journal-entries.ts';
import { baking, calm, judgement, NOW, paused, progress, rollout, soaking, watch } from './rollout-states.ts';

const told = (decision: Decision): string => {
  if (decision.next === 'record') return `record ${decision.body.kind}`;
  if (decision.next === 'act') return `act ${decision.action} ${decision.hosts.join(',')}`;
  return `${decision.next} ${'reason' in decision ? decision.reason.code : ''}`.trim();
};

const badNumbers = ({ gates, ...rest }: Judgement): Judgement => ({
  ...rest,
  gates: gates.map((gate) => ({ ...gate, overLimit: true })),
});
const verified = (id: string, more = {}) => progress(id, 'verified', more);
const proven = (id: string) => verified(id, { provenSeq: 11 });
const cause = { kind: 'operator' } as const;
const since = NOW - 10_000;
const frozen = { from: NOW - 1, until: NOW + 1_000, reason: 'holidays' };
const dead = { troubleSince: NOW - 90_000, lastAttemptAt: NOW - 20_000 };

describe('transitions', () => {
  const enough = { observedMs: 30_000, last: judgement('pass') };
  const table: readonly [string, RolloutState, string, Observations?][] = [
    [
      'planned -> wave-started',
      rollout([progress('1', 'pending')], { phase: { kind: 'planned' } }),
      'record wave-started',
    ],
    [
      'planned, frozen -> held',
      rollout([progress('1', 'pending')], { phase: { kind: 'planned' } }),
      'hold frozen',
      { ...calm, frozen },
    ],
    [
      'planned, paused -> held',
      rollout([progress('1', 'pending')], { phase: { kind: 'planned' }, stop: paused }),
      'hold paused',
    ],
    [
      'planned without hosts -> bake-started',
      rollout([], { phase: { kind: 'planned' }, waveCount: 0 }),
      'record bake-started',
    ],
    [
      'a canary without hosts -> put back, no pin',
      rollout([], { phase: { kind: 'planned' }, waveCount: 0, kind: 'canary' }),
      'record rollback-started',
    ],
    ['acting, pending -> upgrade', rollout([progress('1', 'pending')]), 'act upgrade 1'],
    [
      'acting, host of a later wave -> not touched',
      rollout([verified('1'), progress('2', 'pending', { wave: 1 })]),
      'record wave-acted',
    ],
    [
      'acting, outcome unknown -> inspected',
      rollout([progress('1', 'installing'), progress('2', 'pending')]),
      'act inspect 1',
    ],
    [
      'acting, failed beyond the number -> rollback-started',
      rollout([progress('1', 'failed'), progress('2', 'pending')]),
      'record rollback-started',
    ],
    [
      'acting, paused, failed -> rollback-started all the same',
      rollout([progress('1', 'failed')], { stop: paused }),
      'record rollback-started',
    ],
    [
      'acting, all proven -> wave-acted',
      rollout([verified('1'), progress('2', 'gone')]),
      'record wave-acted',
    ],
    [
      'acting, vanished -> recorded as gone',
      rollout([progress('1', 'pending')]),
      'record hosts-answered',
      { ...calm, gone: new Set(['1']) },
    ],
    [
      'acting, back in the inventory -> recorded',
      rollout([progress('1', 'gone')]),
      'record hosts-answered',
      { ...calm, present: new Set(['1']) },
    ],
    [
      'acting, overdue and none may -> held',
      rollout([progress('1', 'unreachable', { ...dead, lastAttemptAt: NOW - 1 })]),
      'hold hosts-out-of-reach',
    ],
    [
      'acting, nobody tried for a night -> tried',
      rollout([progress('1', 'unreachable', { troubleSince: NOW - 9e7, lastAttemptAt: NOW - 9e7 })]),
      'act upgrade 1',
    ],
    [
      'acting, tried a moment ago under the lease before -> tried',
      rollout([progress('1', 'blocked', { lastAttemptAt: NOW - 1, troubleSince: NOW - 2, dueAtOnce: true })]),
      'act upgrade 1',
    ],
    [
      'acting, tried a moment ago -> waits',
      rollout([progress('1', 'blocked', { lastAttemptAt: NOW - 1, troubleSince: NOW - 2 })]),
      'wait retrying',
    ],
    [
      'acting, the clock went back -> tried',
      rollout([progress('1', 'blocked', { lastAttemptAt: NOW + 3_600_000, troubleSince: NOW + 3_600_000 })]),
      'act upgrade 1',
    ],
    [
      'acting, package altered -> halted',
      rollout([
        progress('1', 'blocked', { outcome: { kind: 'blocked', why: 'digest-mismatch', message: '' } }),
      ]),
      'record halted',
    ],
    [
      'acting, no room -> held, not waited for without end',
      rollout([progress('1', 'skipped', { touched: true }), progress('2', 'pending')], {
        population: { environment: 2, byZone: { z1: 2 }, byRole: { web: 2 } },
      }),
      'hold no-room',
    ],
    [
      'soaking, fail verdict -> rollback-started',
      rollout([verified('1')], { phase: soaking({ last: judgement('fail') }) }),
      'record rollback-started',
    ],
    [
      'soaking, paused, fail verdict -> rollback-started',
      rollout([verified('1')], { phase: soaking({ last: judgement('fail') }), stop: paused }),
      'record rollback-started',
    ],
    [
      'soaking, backend error -> held',
      rollout([verified('1')], { phase: soaking({ last: judgement('error') }) }),
      'hold metrics-error',
    ],
    [
      'soaking, no data -> held',
      rollout([verified('1')], { phase: soaking({ last: judgement('inconclusive') }) }),
      'hold no-data',
    ],
    [
      'soaking, numbers that are bad and decide nothing yet -> held, and not for want of data',
      rollout([verified('1')], {
        phase: soaking({ last: badNumbers(judgement('inconclusive')) }),
      }),
      'hold over-limit',
    ],
    [
      'soaking, a step is over -> judged',
      rollout([verified('1')], { phase: soaking({ judgedTo: NOW - 10_000, lastAt: NOW - 6_000 }) }),
      'judge judging',
    ],
    [
      'soaking, enough seen -> proven once more',
      rollout([verified('1')], { phase: soaking(enough) }),
      'act prove 1',
    ],
    [
      'soaking, enough seen but silent now -> held',
      rollout([proven('1')], { phase: soaking({ ...enough, last: judgement('inconclusive') }) }),
      'hold no-data',
    ],
    [
      'soaking, enough seen and proven -> wave-passed',
      rollout([proven('1')], { phase: soaking(enough) }),
      'record wave-passed',
    ],
    [
      'soaking, enough seen, paused -> held',
      rollout([proven('1')], { phase: soaking(enough), stop: paused }),
      'hold paused',
    ],
    [
      'soaking, no witness -> held',
      rollout([verified('1', { leftStopped: true })], { phase: soaking() }),
      'hold no-witness',
    ],
    [
      'soaking, no witness, approved -> proven',
      rollout([verified('1', { leftStopped: true })], { phase: soaking(), approvedAt: 1 }),
      'act prove 1',
    ],
    [
      'passed -> next wave',
      rollout([proven('1')], { phase: { kind: 'passed', wave: 0, since } }),
      'record wave-started',
    ],
    [
      'passed, the last -> bake-started',
      rollout([proven('1')], { phase: { kind: 'passed', wave: 1, since } }),
      'record bake-started',
    ],
    [
      'passed the canary, approval due -> held',
      rollout([proven('1')], {
        phase: { kind: 'passed', wave: 0, since },
        policy: { ...rollout([]).policy, approval: 'after-canary' },
      }),
      'hold approval-needed',
    ],
    [
      'passed, a canary to keep -> done',
      rollout([proven('1')], { phase: { kind: 'passed', wave: 0, since }, kind: 'canary', keep: true }),
      'record rollout-done',
    ],
    [
      'passed, a canary -> put back',
      rollout([proven('1')], { phase: { kind: 'passed', wave: 0, since }, kind: 'canary' }),
      'record rollback-started',
    ],
    [
      'baking, enough seen and proven -> done',
      rollout([proven('1')], { phase: baking({ observedMs: 60_000, last: judgement('pass') }) }),
      'record rollout-done',
    ],
    [
      'rolling back, touched -> revert',
      rollout([verified('1'), progress('2', 'skipped', { touched: true }), progress('3', 'pending')], {
        phase: { kind: 'rolling-back', since, cause },
      }),
      'act revert 1,2',
    ],
    [
      'rolling back, paused -> revert all the same',
      rollout([verified('1')], { phase: { kind: 'rolling-back', since, cause }, stop: paused }),
      'act revert 1',
    ],
    [
      'rolling back, all back -> rolled-back',
      rollout([progress('1', 'reverted')], { phase: { kind: 'rolling-back', since, cause } }),
      'record rolled-back',
    ],
    [
      'rolling back past the deadline -> rollback-incomplete',
      rollout([progress('1', 'revert-failed', { troubleSince: NOW - 2, lastAttemptAt: NOW - 1 })], {
        phase: { kind: 'rolling-back', since: NOW - 200_000, cause },
      }),
      'record rollback-incomplete',
    ],
    [
      'incomplete, due -> revert again',
      rollout([progress('1', 'revert-failed')], { phase: { kind: 'rollback-incomplete', since, cause } }),
      'act revert 1',
    ],
    [
      'done, rollback asked -> rollback-started',
      rollout([verified('1')], { phase: { kind: 'done', since, notCovered: [] }, rollbackRequested: true }),
      'record rollback-started',
    ],
    [
      'done -> finish',
      rollout([verified('1')], { phase: { kind: 'done', since, notCovered: [] } }),
      'finish done',
    ],
    ['aborted -> finish', rollout([verified('1')], { phase: { kind: 'aborted', since } }), 'finish aborted'],
  ];
  it.each(table)('%s', (_, state, expected, observed) => {
    expect(told(decide(state, observed ?? calm, NOW))).toBe(expected);
  });
});

it('who waits for a look-back is told of which gate', () => {
  const gates = [gate('cpu', { windowMs: 300_000 }), gate('restarts', { windowMs: 60_000 })];
  const phase = {
    kind: 'soaking',
    wave: 0,
    since: NOW,
    watch: watch({ judgedTo: null, lastAt: 0 }),
  } as const;
  const decided = decide(rollout([verified('1')], { policy: { ...somePolicy, gates }, phase }), calm, NOW);
  expect(decided).toMatchObject({
    next: 'wait',
    reason: {
      message: expect.stringContaining('the look-back of the gate cpu, 5m, must lie behind the change'),
    },
  });
});

describe('every state against every entry', () => {
  const hostStates: readonly HostState[] = [
    'pending',
    'installing',
    'verified',
    'failed',
    'unreachable',
    'blocked',
    'gone',
    'skipped',
    'reverting',
    'reverted',
    'revert-failed',
  ];
  const phases: readonly Phase[] = [
    { kind: 'planned' },
    { kind: 'acting', wave: 0, since },
    { kind: 'passed', wave: 0, since },
    { kind: 'done', since, notCovered: [] },
    { kind: 'rolling-back', since, cause },
    { kind: 'rollback-incomplete', since, cause },
    { kind: 'rolled-back', since, cause },
    { kind: 'aborted', since },
    ...(['pass', 'fail', 'inconclusive', 'error', null] as const).flatMap((last) =>
      [0, 60_000].flatMap((observedMs) => {
        const seen = { observedMs, last: last === null ? null : judgement(last) };
        return [soaking(seen), baking(seen)];
      }),
    ),
  ];
  const stops: readonly (Stop | null)[] = [
    null,
    paused,
    { kind: 'halted', since, code: 'artifact-altered', message: 'm' },
  ];
  const pin: Pin = { version: '5.10.2', digests: {} };
  const answers = [
    'verified',
    'reverted',
    'failed',
    'blocked',
    'no-answer',
    'gone',
    'still-previous',
  ] as const;
  const outcome = (kind: (typeof answers)[number]) =>
    ({
      kind,
      sha256: 'a',
      packageVersion: '1',
      service: 'running',
      failure: 'crashed',
      why: 'unknown',
      step: 's',
      message: 'm',
    }) as never;
  const bodies: readonly EntryBody[] = [
    { kind: 'lease-taken', epoch: 2 },
    { kind: 'wave-started', wave: 0 },
    ...(['upgrade', 'inspect', 'prove', 'revert'] as const).flatMap((action): EntryBody[] => [
      { kind: 'hosts-intended', action, hosts: ['1', 'unknown'] },
      ...answers.map(
        (kind): EntryBody => ({
          kind: 'hosts-answered',
          action,
          hosts: [{ id: '1', outcome: outcome(kind), tookMs: 1 }],
        }),
      ),
    ]),
    { kind: 'hosts-excused', hosts: ['1'] },
    { kind: 'wave-acted', wave: 0 },
    { kind: 'judged', judgement: judgement('pass') },
    { kind: 'judged', judgement: judgement('fail') },
    { kind: 'wave-passed', wave: 0 },
    { kind: 'bake-started', pin },
    { kind: 'rollout-done', notCovered: [] },
    { kind: 'rollback-started', cause },
    { kind: 'rolled-back', quarantined: [], pin: null },
    { kind: 'rollback-incomplete', hosts: ['1'] },
    { kind: 'halted', code: 'c', message: 'm' },
    { kind: 'pause-requested' },
    { kind: 'resume-requested' },
    { kind: 'approval-given' },
    { kind: 'abort-requested' },
    { kind: 'rollback-requested' },
    { kind: 'quarantine-lifted', sha256: 'a' },
  ];
  const entries = bodies.map((body) => chainOf([draft(body, { at: NOW })])[0]);

  function lawful(state: RolloutState, decision: Decision): string[] {
    const wrong: string[] = [];
    const kind = state.phase.kind;
    const onTheWayBack = ['rolling-back', 'rollback-incomplete', 'rolled-back', 'aborted', 'done'].includes(
      kind,
    );
    const failVerdict = 'watch' in state.phase && state.phase.watch.last?.kind === 'fail';
    const upgrades = decision.next === 'act' && decision.action === 'upgrade';
    if (upgrades && (state.stop !== null || onTheWayBack || failVerdict || kind !== 'acting'))
      wrong.push('upgrade');
    if (decision.next === 'act' && decision.hosts.length === 0) wrong.push('an act on nobody');
    if (
      decision.next === 'act' &&
      decision.action === 'revert' &&
      decision.hosts.some((id) => state.hosts.get(id)?.touched !== true && kind !== 'acting')
    )
      wrong.push('reverts what was not touched');
    if (decision.next === 'finish' && !isFinished(state)) wrong.push('finish');
    if (decision.next === 'wait' && !(decision.until > NOW)) wrong.push('waits for the past');
    if (decision.next === 'hold' && decision.until !== null && !(decision.until > NOW))
      wrong.push('held until the past');
    if (decision.reason.message === '') wrong.push('no reason');
    const passes =
      decision.next === 'record' &&
      (decision.body.kind === 'wave-passed' || decision.body.kind === 'rollout-done');
    if (passes && 'watch' in state.phase) {
      const { observedMs, last, markSeq } = state.phase.watch;
      const needed = kind === 'soaking' ? state.policy.soakMs : state.policy.bakeMs;
      const hosts = [...state.hosts.values()].filter((host) => host.state === 'verified');
      const blind = hosts.every((host) => host.leftStopped) && state.approvedAt > 0;
      if (!blind && (observedMs < needed || (last !== null && last.kind !== 'pass' && hosts.length > 0)))
        wrong.push('passes without having seen enough');
      if (hosts.some((host) => host.provenSeq < markSeq)) wrong.push('passes without a fresh proof');
      if (state.stop !== null) wrong.push('passes while stopped');
    }
    return wrong;
  }

  it('never throws, always answers, and only what is lawful', () => {
    let decided = 0;
    for (const phase of phases) {
      for (const hostState of hostStates) {
        for (const stop of stops) {
          for (const kind of ['deploy', 'canary', 'rollback'] as const) {
            for (const entry of entries) {
              if (entry === undefined) throw new Error('no entry');
              const before = rollout([progress('1', hostState), progress('2', 'verified')], {
                phase,
                stop,
                kind,
              });
              const after = applyEntry({ ...EMPTY_STATE, rollout: before }, entry).rollout;
              if (after === null) throw new Error('the rollout is lost');
              for (const observed of [
                calm,
                { ...calm, frozen },
                { ...calm, gone: new Set(['1']) },
                { ...calm, present: new Set(['1', '2']) },
              ]) {
                const decision = decide(after, observed, NOW);
                const wrong = lawful(after, decision);
                if (wrong.length > 0)
                  expect({
                    wrong,
                    phase,
                    hostState,
                    stop: stop?.kind,
                    kind,
                    body: entry.body,
                    decision,
                  }).toBeNull();
                decided += 1;
              }
              // S2: only a proven revert, or the VM's end, makes a host untouched.
              const host = after.hosts.get('1');
              const was = before.hosts.get('1');
              if (
                was?.touched === true &&
                !(
                  was.state === 'installing' &&
                  (host?.state === 'blocked' || host?.state === 'unreachable')
                ) &&
                host?.touched === false &&
                host.state !== 'gone' &&
                host.state !== 'reverted'
              ) {
                expect({
                  forgot: entry.body,
                  hostState,
                  phase: phase.kind,
                  becomes: host.state,
                  before: was.touchedBefore,
                }).toBeNull();
              }
            }
          }
        }
      }
    }
    expect(decided).toBeGreaterThan(100_000);
  });
});
