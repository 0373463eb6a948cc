/** One word or two for where a rollout has come to: the same in a status and at the end of a command. */
import { armedHosts, unprovenHosts } from '../../domain/armed.ts';
import type { RolloutKind } from '../../domain/journal.ts';
import type { RolloutState } from '../../domain/state.ts';
import type { Paint } from './paint.ts';

/** Ends and ways back; null for a rollout that goes forward, which each view words by itself. */
export function outcomeWord(rollout: RolloutState, paint: Paint): string | null {
  const { phase } = rollout;
  switch (phase.kind) {
    case 'done':
      return paint.good('done');
    case 'rolling-back':
      return paint.bad('ROLLING BACK');
    case 'rolled-back':
      return phase.cause.kind === 'canary-finished'
        ? paint.good('canaries passed and were put back')
        : paint.bad('ROLLED BACK');
    case 'rollback-incomplete':
      return paint.bad('ROLLBACK INCOMPLETE');
    case 'aborted':
      // Who goes back by itself is said beside it.
      return paint.warn(
        armedHosts(rollout).length + unprovenHosts(rollout).length > 0
          ? 'aborted'
          : 'aborted: the hosts stay as they are',
      );
    default:
      return null;
  }
}

/** `deploy of`, `rollback to`: what stands before the version. */
export function kindWord(kind: RolloutKind): string {
  return kind === 'rollback' ? 'rollback to' : `${kind} of`;
}

export function countStates(rollout: RolloutState): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const host of rollout.hosts.values()) counts[host.state] = (counts[host.state] ?? 0) + 1;
  return counts;
}
