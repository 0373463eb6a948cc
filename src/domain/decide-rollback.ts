/**
 * What comes next on the way back. Pure.
 *
 * B1  Every touched host is put back, whatever wave it is in and whatever state it was left in.
 * B2  What cannot be put back within the deadline is named and stays due: the rollback is incomplete, never done.
 */
import { describeTrouble, earliestAttempt, idsOf, isDue } from './attempts.ts';
import { act, type Decision, hold, record, wait } from './decision.ts';
import type { RollbackCause } from './journal.ts';
import type { Phase, RolloutState } from './state.ts';

type ReturningPhase = Extract<Phase, { kind: 'rolling-back' | 'rollback-incomplete' }>;

/** Hosts of one batch: speed counts more than small batches here. */
const BATCH = 500;

export function decideRollback(rollout: RolloutState, phase: ReturningPhase, now: number): Decision {
  const touched = [...rollout.hosts.values()].filter((host) => host.touched);
  if (touched.length === 0) {
    // What never reached a host has shown nothing against itself.
    const tried = [...rollout.hosts.values()].some((host) => host.attempts > 0);
    const blamed = tried && phase.cause.kind !== 'canary-finished';
    const quarantined = blamed ? Object.values(rollout.artifacts).map((artifact) => artifact.sha256) : [];
    return record(
      { kind: 'rolled-back', quarantined, pin: rollout.pinBefore },
      'rolled-back',
      `every touched host is back; ${causeInWords(phase.cause)}`,
    );
  }
  const due = touched.filter((host) => isDue(host, rollout, now));
  if (due.length > 0) {
    return act('revert', idsOf(due.slice(0, BATCH)), 'reverting', `putting back ${touched.length} host(s)`);
  }
  const next = earliestAttempt(touched, rollout) ?? now;
  if (phase.kind === 'rollback-incomplete') {
    return hold(next, 'rollback-incomplete', `not yet put back: ${describeTrouble(touched)}`);
  }
  if (now - phase.since >= rollout.policy.limits.rollbackDeadlineMs) {
    return record(
      { kind: 'rollback-incomplete', hosts: idsOf(touched) },
      'rollback-incomplete',
      `not put back by the deadline: ${describeTrouble(touched)}`,
    );
  }
  return wait(next, 'retrying-revert', `trying again to put back ${describeTrouble(touched)}`);
}

export function causeInWords(cause: RollbackCause): string {
  switch (cause.kind) {
    case 'verdict':
      return cause.judgement.gates
        .filter((gate) => gate.kind === 'fail')
        .map((gate) => gate.why)
        .join('; ');
    case 'failed-hosts':
      return cause.message;
    case 'operator':
      return 'an operator asked for it';
    case 'canary-finished':
      return 'the canaries passed and were put back as agreed';
    default:
      return cause satisfies never;
  }
}
