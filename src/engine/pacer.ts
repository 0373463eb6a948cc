/** Spreads the beginnings of a batch's changes, so that its agents do not all ask their server at once (pacing.ts). */
import { paceOf } from '../domain/pacing.ts';
import type { RolloutState } from '../domain/state.ts';
import type { Clock } from '../ports/clock.ts';

export interface Pacer {
  /** Resolves when the next host may begin, at once where it is called off. */
  turn(signal: AbortSignal): Promise<void>;
}

/** Null: nothing bounds it. PA2: for what goes forward only. */
export function pacerOf({ policy, population }: RolloutState, clock: Clock): Pacer | null {
  const { pacing } = policy;
  if (pacing === undefined) return null;
  const { gapMs } = paceOf(pacing, pacing.agents ?? population.environment);
  // No room at all is a reason not to begin (prepare-plan.ts); what has begun goes on one by one.
  const gap = gapMs ?? NO_ROOM_GAP_MS;
  if (gap <= 0) return null;
  let next = Number.NEGATIVE_INFINITY;
  return {
    async turn(signal) {
      const now = clock.now();
      const at = Math.max(now, next);
      next = at + gap;
      if (at > now) await clock.sleep(at - now, signal);
    },
  };
}

const NO_ROOM_GAP_MS = 10_000;
