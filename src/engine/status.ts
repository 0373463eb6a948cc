/** Where an environment stands and what would move it, read from its journal alone: nothing is contacted or changed. */

import { type GoingBack, goingBack, isAbortUntold } from '../domain/armed.ts';
import { closedNow } from '../domain/closed.ts';
import { decide } from '../domain/decide.ts';
import { abortWords } from '../domain/decide-armed.ts';
import type { Reason } from '../domain/event.ts';
import { isFinished } from '../domain/fold.ts';
import { nextWithoutWitness } from '../domain/host-standing.ts';
import { ok, type Result } from '../domain/result.ts';
import type { EnvironmentState } from '../domain/state.ts';
import type { LeaseHolder } from '../ports/lease.ts';
import type { EngineContext, Refusal } from './context.ts';
import { readState } from './start-rollout.ts';

export interface EnvironmentStatus {
  readonly name: string;
  readonly state: EnvironmentState;
  /** Who works on it now. */
  readonly holder: LeaseHolder | null;
  /** Why nothing moves, or what comes next; null when there is nothing under way. */
  readonly reason: Reason | null;
  /** When it moves by itself if somebody works on it, ms since the epoch. */
  readonly until: number | null;
  /** The command that would move it; null when nothing needs to be typed. */
  readonly next: string | null;
  /** Hosts that go back by themselves unless they hear from us; null: none. */
  readonly goesBack: GoingBack | null;
  /** Keys in which the files say something else than what the rollout was planned with; absent: nobody has looked. */
  readonly asPlanned?: readonly string[];
}

/** `readOf`: of several environments a journal is read once (`readingOnce`). */
export async function readStatus(
  context: EngineContext,
  readOf: typeof readState = readState,
): Promise<Result<EnvironmentStatus, Refusal>> {
  const { name } = context.environment;
  const read = await readOf(context);
  if (!read.ok) return read;
  const state = read.value;
  const holder = await context.lease.holder();
  const { rollout } = state;
  if (rollout === null) {
    return ok({ name, state, holder, reason: null, until: null, next: null, goesBack: null });
  }
  const now = context.clock.now();
  if (isFinished(rollout)) {
    const untold = isAbortUntold(rollout, now);
    const reason = untold ? { code: 'abort-untold', message: abortWords(rollout, now) } : null;
    const isAborted = rollout.phase.kind === 'aborted';
    const back = isAborted ? `rollout rollback ${name}` : null;
    const next = untold ? `rollout advance ${name} tells them that they stay, or ${back}` : back;
    const goesBack = isAborted ? goingBack(rollout) : null;
    return ok({ name, state, holder, reason, until: null, next, goesBack });
  }
  const frozen = closedNow(context.environment, now);
  const decision = decide(rollout, { gone: new Set(), present: new Set(), frozen }, now);
  const until = decision.next === 'wait' || decision.next === 'hold' ? decision.until : null;
  // Under a pause it is still looked at, for reasons of the moment.
  const code = rollout.stop?.kind === 'paused' ? 'paused' : decision.reason.code;
  return ok({
    name,
    state,
    holder,
    reason: decision.reason,
    until,
    next: code === 'no-witness' ? nextWithoutWitness(rollout, name, now) : nextCommand(name, code, holder),
    goesBack: goingBack(rollout),
  });
}

function nextCommand(name: string, code: string, holder: LeaseHolder | null): string | null {
  switch (code) {
    case 'approval-needed':
      return `rollout approve ${name} --reason TEXT`;
    case 'paused':
    case 'artifact-altered':
    case 'hosts-go-back':
      return `rollout resume ${name}, or rollout rollback ${name}`;
    default:
      return holder === null ? `rollout advance ${name}` : null;
  }
}
