/** How the agent is started and stopped, from what was written and checked. Pure. */
import type { Controller, LifecycleSettings, StarterName } from '../domain/lifecycle.ts';
import { expandPath, type PathBase } from './paths.ts';
import type { EnvironmentWritten } from './schema/environment.ts';
import { OSQUERY_PATHS } from './schema/lifecycle.ts';

/** Longest run of a controller's command that names none. */
const COMMAND_TIMEOUT_MS = 30_000;

export function resolveLifecycle(written: EnvironmentWritten, base: PathBase): LifecycleSettings {
  const { lifecycle, controllers, agent, prove } = written;
  return {
    holdForMs: lifecycle.holdFor,
    brake: lifecycle.brake,
    settleMs: lifecycle.settle,
    deadlineMs: lifecycle.deadline,
    concurrency: lifecycle.concurrency,
    proveMs: lifecycle.prove ?? prove,
    // Another agent's package must not take osquery's files along.
    purgePaths: lifecycle.purgePaths ?? (agent.package === 'osquery' ? OSQUERY_PATHS : []),
    controllers: controllers.map((controller) => resolveController(controller, base)),
  };
}

function resolveController(
  { name, when, roleFile, set, onStop, onStart, timeout, branch }: EnvironmentWritten['controllers'][number],
  base: PathBase,
): Controller {
  if (roleFile !== undefined) {
    if (Array.isArray(onStop) || set === undefined) throw new Error(`bug: unchecked controller ${name}`);
    return {
      kind: 'role-file',
      name,
      file: expandPath(roleFile, base),
      path: typeof set === 'string' ? set.split('.') : set,
      onStop,
      branch: branch ?? null,
    };
  }
  if (!Array.isArray(onStop)) throw new Error(`bug: unchecked controller ${name}`);
  return {
    kind: 'command',
    name,
    // The schema has checked it.
    when: (when ?? 'always') as StarterName | 'always',
    onStop,
    onStart: onStart ?? [],
    timeoutMs: timeout ?? COMMAND_TIMEOUT_MS,
  };
}
