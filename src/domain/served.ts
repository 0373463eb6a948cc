/**
 * Which versions an environment has had in earnest: what it may go back to without another proof. Pure.
 *
 * What the hosts ran when the first rollout was planned counts, and every version whose rollout came to its end; what only
 * canaries have had does not, nor what was rolled back since.
 */
import type { Entry, RolloutKind } from './journal.ts';

export function servedVersions(entries: readonly Entry[]): ReadonlySet<string> {
  const before = new Set<string>();
  /** Rollouts that brought a version, by version. */
  const brought = new Map<string, Set<string>>();
  let rollout: { readonly id: string; readonly kind: RolloutKind; readonly version: string } | null = null;
  for (const { body } of entries) {
    if (body.kind === 'rollout-planned') {
      if (rollout === null) {
        for (const wave of body.plan.waves)
          for (const { from } of wave.hosts)
            if (from.artifact !== undefined) before.add(from.artifact.version);
      }
      rollout = { id: body.rolloutId, kind: body.rolloutKind, version: body.version };
    } else if (rollout !== null && body.kind === 'rollout-done' && rollout.kind !== 'canary') {
      brought.set(rollout.version, (brought.get(rollout.version) ?? new Set()).add(rollout.id));
    } else if (rollout !== null && body.kind === 'rolled-back') {
      brought.get(rollout.version)?.delete(rollout.id);
    }
  }
  for (const [version, rollouts] of brought) if (rollouts.size > 0) before.add(version);
  return before;
}
