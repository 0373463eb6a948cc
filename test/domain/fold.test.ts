import { describe, expect, it } from 'vitest';
import { endBake, endCanary, notCovered } from '../../src/domain/ending.ts';
import { applyEntry, canAbort, canRollBack, isFinished } from '../../src/domain/fold.ts';
import type { HostOutcome } from '../../src/domain/host-outcome.ts';
import type { EntryBody, HostAction } from '../../src/domain/journal.ts';
import { EMPTY_STATE, type HostState, type RolloutState } from '../../src/domain/state.ts';
import { chainOf, draft } from '../fakes/journal-entries.ts';
import { baking, judgement, NOW, paused, progress, rollout, soaking, watch } from './rollout-states.ts';

function after(state: RolloutState, ...bodies: EntryBody[]): RolloutState {
  const entries = chainOf(bodies.map((body) => draft(body, { at: NOW })));
  const folded = entries.reduce(applyEntry, { ...EMPTY_STATE, rollout: state }).rollout;
  if (folded === null) throw new Error('the rollout is lost');
  return folded;
}

const intent = (action: HostAction): EntryBody => ({ kind: 'hosts-intended', action, hosts: ['1'] });
const answer = (action: HostAction, outcome: HostOutcome): EntryBody => ({
  kind: 'hosts-answered',
  action,
  hosts: [{ id: '1', outcome, tookMs: 1 }],
});
const silent = (why: 'unknown' | 'timed-out' | 'unreachable' | 'sudo-refused'): HostOutcome => ({
  kind: 'no-answer',
  why,
  message: '',
});
const good = { sha256: 'a', packageVersion: '1', service: 'running' } as const;
const failed: HostOutcome = { kind: 'failed', failure: 'start-failed', step: 's', message: '' };
const busy: HostOutcome = { kind: 'blocked', why: 'busy', message: '' };

describe('who takes the lease', () => {
  const taken: EntryBody = { kind: 'lease-taken', epoch: 2 };

  it('finds every host in trouble due at once, and no other changed', () => {
    const before = rollout([progress('1', 'unreachable'), progress('2', 'verified')]);
    const now = after(before, taken);
    expect(now.hosts.get('1')).toEqual({ ...before.hosts.get('1'), dueAtOnce: true });
    expect(now.hosts.get('2')).toEqual(before.hosts.get('2'));
  });

  it('keeps the distance between its own attempts', () => {
    const now = after(rollout([progress('1', 'unreachable')]), taken, intent('upgrade'));
    expect(now.hosts.get('1')?.dueAtOnce).toBe(false);
  });
});

describe('a host', () => {
  const table: readonly [string, HostState, EntryBody[], HostState, boolean][] = [
    ['pending, upgrade intended -> installing, touched', 'pending', [intent('upgrade')], 'installing', true],
    [
      'upgrade verified -> verified',
      'pending',
      [intent('upgrade'), answer('upgrade', { kind: 'verified', ...good })],
      'verified',
      true,
    ],
    [
      'upgrade failed -> failed, touched',
      'pending',
      [intent('upgrade'), answer('upgrade', failed)],
      'failed',
      true,
    ],
    [
      'upgrade blocked -> untouched',
      'pending',
      [intent('upgrade'), answer('upgrade', busy)],
      'blocked',
      false,
    ],
    [
      'upgrade never reached it -> untouched',
      'pending',
      [intent('upgrade'), answer('upgrade', silent('unreachable'))],
      'unreachable',
      false,
    ],
    [
      'sudo refused -> untouched',
      'pending',
      [intent('upgrade'), answer('upgrade', silent('sudo-refused'))],
      'unreachable',
      false,
    ],
    [
      'reply lost -> unknown, touched',
      'pending',
      [intent('upgrade'), answer('upgrade', silent('unknown'))],
      'installing',
      true,
    ],
    [
      'timed out -> unknown, touched',
      'pending',
      [intent('upgrade'), answer('upgrade', silent('timed-out'))],
      'installing',
      true,
    ],
    [
      'reply lost, then blocked -> still touched',
      'pending',
      [intent('upgrade'), answer('upgrade', silent('unknown')), intent('upgrade'), answer('upgrade', busy)],
      'blocked',
      true,
    ],
    [
      'inspected, untouched -> asked for again',
      'installing',
      [answer('inspect', { kind: 'still-previous' })],
      'pending',
      true,
    ],
    ['inspected, half done -> asked for again', 'installing', [answer('inspect', failed)], 'pending', true],
    [
      'inspected, proven -> verified',
      'installing',
      [answer('inspect', { kind: 'verified', ...good })],
      'verified',
      true,
    ],
    ['proof failed -> failed', 'verified', [answer('prove', failed)], 'failed', true],
    [
      'proof without an answer -> still verified',
      'verified',
      [answer('prove', silent('unreachable'))],
      'verified',
      true,
    ],
    [
      'revert proven -> reverted, untouched',
      'verified',
      [intent('revert'), answer('revert', { kind: 'reverted', ...good })],
      'reverted',
      false,
    ],
    [
      'revert failed -> named, still touched',
      'verified',
      [intent('revert'), answer('revert', failed)],
      'revert-failed',
      true,
    ],
    ['gone -> nothing left to put back', 'verified', [answer('inspect', { kind: 'gone' })], 'gone', false],
    [
      'gone and back -> as it was left',
      'verified',
      [answer('inspect', { kind: 'gone' }), answer('inspect', silent('unknown'))],
      'installing',
      true,
    ],
    [
      'gone untouched and back -> pending',
      'pending',
      [answer('inspect', { kind: 'gone' }), answer('inspect', silent('unknown'))],
      'pending',
      false,
    ],
    [
      'excused -> skipped, touched as it was',
      'installing',
      [{ kind: 'hosts-excused', hosts: ['1'] }],
      'skipped',
      true,
    ],
  ];
  it.each(table)('%s', (_, from, bodies, state, touched) => {
    expect(after(rollout([progress('1', from)]), ...bodies).hosts.get('1')).toMatchObject({ state, touched });
  });
});

describe('a watch', () => {
  it('adds what was observed, but nothing while paused (S3)', () => {
    const pass: EntryBody = { kind: 'judged', judgement: judgement('pass') };
    expect(after(rollout([], { phase: soaking() }), pass, pass).phase).toMatchObject({
      watch: { observedMs: 10_000 },
    });
    expect(after(rollout([], { phase: soaking(), stop: paused }), pass).phase).toMatchObject({
      watch: { observedMs: 0, judgedTo: NOW - 5_000 },
    });
  });

  it('is asked again for a span that the backend failed in', () => {
    const phase = after(rollout([], { phase: baking({ judgedTo: 7 }) }), {
      kind: 'judged',
      judgement: judgement('error'),
    }).phase;
    expect(phase).toMatchObject({ watch: { judgedTo: 7, observedMs: 0, last: { kind: 'error' } } });
  });

  it('counts errors of the backend in a row, and any answer ends the count', () => {
    const told = (kind: 'error' | 'pass' | 'inconclusive'): EntryBody => ({
      kind: 'judged',
      judgement: judgement(kind),
    });
    const counted = (...bodies: EntryBody[]) => {
      const { phase } = after(rollout([], { phase: baking() }), ...bodies);
      return 'watch' in phase ? phase.watch.errorsInARow : null;
    };
    expect(counted(told('error'), told('error'))).toBe(2);
    expect(counted(told('error'), told('inconclusive'))).toBeUndefined();
    expect(counted(told('error'), told('pass'), told('error'))).toBe(1);
  });

  it('goes on from the resume: time under the pause is never counted', () => {
    const { phase, stop } = after(rollout([], { phase: baking({ judgedTo: 7 }), stop: paused }), {
      kind: 'resume-requested',
    });
    expect(stop).toBeNull();
    expect(phase).toMatchObject({ watch: watch({ judgedTo: NOW }) });
  });
});

describe('what persons ask', () => {
  it('an approval counts for the phase that it was given in', () => {
    const approved = after(rollout([], { phase: { kind: 'passed', wave: 0, since: 0 } }), {
      kind: 'approval-given',
    });
    expect(approved.approvedAt).toBe(NOW);
    expect(after(approved, { kind: 'wave-started', wave: 1 }).approvedAt).toBe(0);
  });

  it('a resume lets hosts be asked again that refused', () => {
    expect(
      after(rollout([progress('1', 'blocked')]), { kind: 'resume-requested' }).hosts.get('1'),
    ).toMatchObject({ state: 'pending', troubleSince: null });
  });

  it('a rollback asked for again keeps its cause', () => {
    const cause = { kind: 'verdict', judgement: judgement('fail') } as const;
    const again = after(rollout([], { phase: { kind: 'rollback-incomplete', since: 0, cause } }), {
      kind: 'rollback-started',
      cause: { kind: 'operator' },
    });
    expect(again.phase).toMatchObject({ kind: 'rolling-back', cause });
  });

  it('an abort means nothing on the way back, a rollback nothing when there', () => {
    const back = rollout([], { phase: { kind: 'rolling-back', since: 0, cause: { kind: 'operator' } } });
    expect([canAbort(back), canRollBack(back)]).toEqual([false, false]);
    expect(after(back, { kind: 'abort-requested' }).phase.kind).toBe('rolling-back');
    const done = rollout([], { phase: { kind: 'done', since: 0, notCovered: [] } });
    expect([canAbort(done), canRollBack(done), isFinished(done)]).toEqual([false, true, true]);
    expect(isFinished(after(done, { kind: 'rollback-requested' }))).toBe(false);
  });
});

describe('the end', () => {
  const hosts = [
    progress('1', 'verified'),
    progress('2', 'skipped'),
    progress('3', 'reverted'),
    progress('4', 'gone'),
  ];

  it('lists who is not covered; a VM that is gone needs no cover', () => {
    expect(notCovered(rollout(hosts))).toEqual(['2', '3']);
  });

  it.each([
    ['observed whole -> receipt', 60_000, 'deploy', true],
    ['a moment short -> none', 59_999, 'deploy', false],
    ['a rollback -> none', 60_000, 'rollback', false],
  ] as const)('%s', (_, observedMs, kind, given) => {
    const decision = endBake(rollout(hosts, { kind }), watch({ observedMs }));
    if (decision.next !== 'record' || decision.body.kind !== 'rollout-done') throw new Error('not the end');
    expect(decision.body.receipt !== undefined).toBe(given);
    expect(decision.body.notCovered).toEqual(['2', '3']);
  });

  it('a canary is kept or put back, without a receipt', () => {
    expect(endCanary(rollout(hosts, { keep: true }))).toMatchObject({ body: { kind: 'rollout-done' } });
    expect(endCanary(rollout(hosts))).toMatchObject({
      body: { kind: 'rollback-started', cause: { kind: 'canary-finished' } },
    });
  });
});
