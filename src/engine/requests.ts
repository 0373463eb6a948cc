/** What a person asks of a rollout: written into the journal without the lease, heard at its next decision. */
import { decide } from '../domain/decide.ts';
import { canAbort, isFinished } from '../domain/fold.ts';
import type { EntryBody } from '../domain/journal.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { mayApprove, personOf } from '../domain/second-person.ts';
import type { RolloutState } from '../domain/state.ts';
import type { EngineContext, Refusal } from './context.ts';
import { refuse } from './context.ts';
import { journalTrouble } from './ledger.ts';
import { openLedger } from './run-rollout.ts';

export type RequestKind = 'pause' | 'resume' | 'approve' | 'abort' | 'rollback';

const BODIES: Readonly<Record<RequestKind, EntryBody>> = {
  pause: { kind: 'pause-requested' },
  resume: { kind: 'resume-requested' },
  approve: { kind: 'approval-given' },
  abort: { kind: 'abort-requested' },
  rollback: { kind: 'rollback-requested' },
};

/** Writes the request if it means something now; answers with the rollout as it then stands. */
export async function request(
  context: EngineContext,
  kind: RequestKind,
  reason: string,
): Promise<Result<RolloutState, Refusal>> {
  const ledger = openLedger(context);
  const read = await ledger.refresh();
  if (!read.ok) return err(refuse('failed', 'journal-failed', journalTrouble(read.error)));
  const pointless = whyPointless(kind, ledger.state.rollout, context);
  if (pointless !== null) return err(pointless);
  const written = await ledger.fact(BODIES[kind], reason);
  if (!written.ok) {
    return err(refuse('failed', 'journal-failed', journalTrouble(written.error)));
  }
  const rollout = ledger.state.rollout;
  return rollout === null ? err(refuse('failed', 'no-rollout', 'there is no rollout')) : ok(rollout);
}

function whyPointless(
  kind: RequestKind,
  rollout: RolloutState | null,
  context: EngineContext,
): Refusal | null {
  const name = context.environment.name;
  if (rollout === null) return refuse('failed', 'no-rollout', `${name} has no rollout to ${kind}`);
  if (kind === 'rollback') return null;
  if (isFinished(rollout)) {
    return refuse(
      'failed',
      'finished',
      `${rollout.id} (${rollout.version}) has ended: ${rollout.phase.kind}`,
    );
  }
  if (kind === 'resume' && rollout.stop === null) {
    return refuse('failed', 'not-stopped', `${rollout.id} is neither paused nor halted`, {
      next: `rollout advance ${name}`,
    });
  }
  if ((kind === 'abort' || kind === 'pause') && !canAbort(rollout)) {
    const what = kind === 'abort' ? 'aborted' : 'paused';
    return refuse('failed', 'rolling-back', `${rollout.id} is rolling back; that cannot be ${what}`);
  }
  if (kind === 'approve' && !waitsForPerson(rollout, context.clock.now())) {
    return refuse('failed', 'nothing-to-approve', `nothing in ${rollout.id} waits for an approval now`, {
      next: `rollout status ${name}`,
    });
  }
  if (kind === 'approve' && !mayApprove(rollout, context.actor)) {
    return refuse(
      'failed',
      'second-person',
      `${rollout.id} was begun by ${personOf(rollout.plannedBy)}, and ${name} asks for the approval of somebody else (approvedBy: second-person)`,
      { next: `somebody else types: rollout approve ${name} --reason TEXT` },
    );
  }
  return null;
}

function waitsForPerson(rollout: RolloutState, now: number): boolean {
  const decision = decide(rollout, { gone: new Set(), present: new Set(), frozen: null }, now);
  return (
    decision.next === 'hold' &&
    (decision.reason.code === 'approval-needed' || decision.reason.code === 'no-witness')
  );
}
