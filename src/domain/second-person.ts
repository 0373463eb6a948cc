/** Whose approval counts. Pure. */
import type { Actor } from './journal.ts';
import type { RolloutState } from './state.ts';

/** Whether the approval of this person counts for the rollout: where a second person is asked for, not that of whoever began it. */
export function mayApprove(
  { policy, plannedBy }: Pick<RolloutState, 'policy' | 'plannedBy'>,
  actor: Actor,
): boolean {
  return policy.approvedBy !== 'second-person' || personOf(actor) !== personOf(plannedBy);
}

/** In a CI job the person who started it, where the job tells; else the user. */
export function personOf({ user, person }: Pick<Actor, 'user' | 'person'>): string {
  return person ?? user;
}
