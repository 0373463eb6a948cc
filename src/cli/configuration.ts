/** Where configuration lies and what it holds: the folder given, the one at hand, or what ships with the program. */
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ConfigPlaces, type LoadedConfig, loadConfig } from '../config/load.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { type Refusal, refuse } from '../engine/context.ts';
import { type Invocation, textOption } from './invocation.ts';

/** The package's own root, in a clone and when installed. */
const SHIPPED = fileURLToPath(new URL('../..', import.meta.url));

/** Where what is not configuration goes: the sandbox, and paths with `${state}`. */
export function stateDirOf({ env, home }: Pick<Invocation, 'env' | 'home'>): string {
  if (env.ROLLOUT_STATE_DIR !== undefined && env.ROLLOUT_STATE_DIR !== '')
    return resolve(env.ROLLOUT_STATE_DIR);
  if (env.XDG_STATE_HOME !== undefined && env.XDG_STATE_HOME !== '')
    return join(env.XDG_STATE_HOME, 'rollout');
  return join(home, '.local', 'state', 'rollout');
}

/**
 * Which playbooks are read. What begins a rollout follows one's own; what carries one on, shows it or takes it back follows
 * the journal, so that a slip in a playbook does not stand between a person and the way back.
 */
export type WhichPlaybooks = 'own' | 'shipped';

export function configPlaces(invocation: Invocation, which: WhichPlaybooks): Result<ConfigPlaces, Refusal> {
  const given = textOption(invocation, 'config') ?? (invocation.env.ROLLOUT_CONFIG || undefined);
  const dir = given === undefined ? defaultDir(invocation.cwd) : resolve(invocation.cwd, given);
  if (given !== undefined && !isFolder(join(dir, 'environments'))) {
    return err(
      refuse('usage', 'no-config', `${dir} has no folder environments/`, {
        next: 'name the folder that holds environments/ and playbooks/ with --config',
      }),
    );
  }
  const stateDir = stateDirOf(invocation);
  const shipped = shippedPlaybooks();
  const playbookDirs = which === 'own' ? [shipped, join(dir, 'playbooks')] : [shipped];
  return ok({ dir, playbookDirs, stateDir, homeDir: invocation.home });
}

export async function readConfiguration(
  invocation: Invocation,
  which: WhichPlaybooks,
): Promise<Result<LoadedConfig, Refusal>> {
  const places = configPlaces(invocation, which);
  return places.ok ? ok(await loadConfig(places.value)) : places;
}

function defaultDir(cwd: string): string {
  return isFolder(join(cwd, 'environments')) ? cwd : SHIPPED;
}

/** The playbooks that ship with the program. */
export function shippedPlaybooks(): string {
  return join(SHIPPED, 'playbooks');
}

/** Nothing of one's own was found or named: `dir` is what ships with the program. In a clone, its own folder is one's own. */
export function isFallback(invocation: Invocation, dir: string): boolean {
  const given = textOption(invocation, 'config') ?? (invocation.env.ROLLOUT_CONFIG || undefined);
  return (
    given === undefined && resolve(dir) === resolve(SHIPPED) && resolve(invocation.cwd) !== resolve(SHIPPED)
  );
}

/**
 * For whoever works with what ships because nothing of their own was found, in one line; null: they named it, or have their own.
 * `names`: of the environments that can be used.
 */
export function notYourFleet(invocation: Invocation, names: readonly string[]): string | null {
  const places = configPlaces(invocation, 'shipped');
  if (!places.ok || !isFallback(invocation, places.value.dir)) return null;
  const which = names.length === 0 ? ', of which nothing can be used now' : `: ${names.join(', ')}`;
  return `NOT YOUR FLEET: there is no environments/ in ${invocation.cwd}, so this is what ships with rollout${which} (--config DIR names your own, rollout init makes one)`;
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
