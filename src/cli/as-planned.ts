/** Where a rollout goes by its plan although its environment's file says something else now. Reads the files anew; is never in the way. */
import { keysAsPlanned } from '../domain/as-planned.ts';
import { isFinished } from '../domain/fold.ts';
import type { RolloutState } from '../domain/state.ts';
import { readConfiguration } from './configuration.ts';
import type { Invocation } from './invocation.ts';

/** Keys in which an environment's file differs from what its rollout was planned with. */
export type FileBesidePlan = (name: string, rollout: RolloutState | null) => Promise<readonly string[]>;

/**
 * For one look: the files are read once, and only where a rollout is under way. Empty too where they cannot be read or are wrong: others
 * say that. Own playbooks count, as they did for the plan.
 */
export function filesBesidePlans(invocation: Invocation): FileBesidePlan {
  let files: ReturnType<typeof readConfiguration> | undefined;
  return async (name, rollout) => {
    if (rollout === null || isFinished(rollout)) return [];
    files ??= readConfiguration(invocation, 'own');
    const read = await files;
    const loaded = read.ok ? read.value.environments.get(name) : undefined;
    if (loaded?.kind !== 'ready') return [];
    const { policy } = loaded.forAction(rollout.kind === 'canary' ? 'canary' : 'upgrade');
    return keysAsPlanned(rollout, policy);
  };
}
