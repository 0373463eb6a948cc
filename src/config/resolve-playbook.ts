/** A playbook of the lifecycle over an environment: its own keys, then the environment's, then what is built in. Pure. */
import { LIFECYCLE_VERBS, type LifecycleVerb } from '../domain/lifecycle.ts';
import type { LifecyclePlaybook } from '../domain/lifecycle-playbook.ts';
import { mapAt, type Playbook, timeoutOf } from './resolve.ts';
import { resolveGates } from './resolve-gate.ts';
import { environmentSchema } from './schema/environment.ts';
import { NOT_MEANT_TO_RUN, type PlaybookAction, STEP_ORDER } from './schema/playbook.ts';
import { readKey } from './schema-walk.ts';
import { has } from './written-shape.ts';

export function isLifecycleVerb(action: PlaybookAction): action is LifecycleVerb {
  return (LIFECYCLE_VERBS as readonly string[]).includes(action);
}

/** `environment` is what was written there, without defaults. */
export function resolveLifecyclePlaybook(
  name: string,
  playbook: Playbook & { readonly action: LifecycleVerb },
  environment: unknown,
): LifecyclePlaybook {
  const { action, file, written } = playbook;
  const timeouts = STEP_ORDER[action].map((program) => timeoutOf(playbook, program));
  return {
    name,
    file,
    action,
    description: written.description,
    timeoutMs: timeouts.reduce((sum, one) => sum + one, 0),
    strategy: STRATEGY.some((key) => has(playbook.raw, key))
      ? resolveStrategy(action, playbook.raw, environment)
      : null,
  };
}

/** Any of these keys makes the action one of waves that are watched. */
const STRATEGY = ['waves', 'soak', 'gates'];

function resolveStrategy(
  action: LifecycleVerb,
  playbook: unknown,
  environment: unknown,
): LifecyclePlaybook['strategy'] {
  const own = (key: string): object => (has(playbook, key) ? { [key]: readKey(playbook, key) } : {});
  const waves = {
    ...mapAt(environment, 'waves'),
    ...mapAt(playbook, 'waves'),
    maxUnavailable: {
      ...mapAt(mapAt(environment, 'waves'), 'maxUnavailable'),
      ...mapAt(mapAt(playbook, 'waves'), 'maxUnavailable'),
    },
  };
  const merged = environmentSchema.parse({
    ...(environment as object),
    ...own('soak'),
    ...own('gates'),
    waves,
  });
  const ungated = NOT_MEANT_TO_RUN.includes(action) && !has(playbook, 'gates');
  return {
    waves: merged.waves,
    soakMs: merged.soak,
    gates: ungated
      ? []
      : resolveGates(merged.gates, {
          hasPrometheus: has(environment, 'prometheus'),
          areWritten: has(environment, 'gates') || has(playbook, 'gates'),
          witnesses: readKey(environment, 'witnesses'),
        }),
    sampleEveryMs: merged.sampleEvery,
    sampleDelayMs: merged.prometheus?.delay ?? 0,
    failedHosts: merged.limits.failedHosts,
  };
}
