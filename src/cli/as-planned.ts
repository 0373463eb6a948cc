/** Where a rollout goes by its plan although its environment's file says something else now. Reads the files anew; is never in the way. */
import { keysAsPlanned } from '../domain/as-planned.ts';
import { isFinished } from '../domain/fold.ts';
import type { RolloutState } from '../domain/state.ts';
import { readConfiguration } from './configuration.ts';
import type { Invocation } from './invocation.ts';

/** Empty too where the files cannot be read or are wrong: others say that. Own playbooks count, as they did for the plan. */
export async function differsFromPlan(
  invocation: Invocation,
  name: string,
  rollout: RolloutState | null,
): Promise<readonly string[]> {
  if (rollout === null || isFinished(rollout)) return [];
  const read = await readConfiguration(invocation, 'own');
  const loaded = read.ok ? read.value.environments.get(name) : undefined;
  if (loaded?.kind !== 'ready') return [];
  const { policy } = loaded.forAction(rollout.kind === 'canary' ? 'canary' : 'upgrade');
  return keysAsPlanned(rollout, policy);
}
