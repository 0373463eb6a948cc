/**
 * Reads `environments/*.yaml` and `playbooks/*.yaml`: every problem of every file at once, and each environment as what it
 * is worth: ready, not usable now, or wrong.
 *
 * L1  An environment's problem makes only that environment invalid: a slip in gprd does not stop work on gstg. A rollout's playbook
 *     lies under all environments, so that its problem is each one's; a lifecycle playbook's is its own alone, since nobody who stops
 *     the agent should have to mend a file about restarts first. Never is another playbook used in a wrong one's place.
 * L2  An environment that is only listed may name a sandbox that does not run.
 * L3  What cannot be used for calm work may still do for an emergency: the file is right, and only its list of hosts or the address of
 *     Prometheus fails. Never where the list is that of a sandbox that does not run: there is nobody to stop.
 */
import { basename, join, resolve } from 'node:path';
import type { Environment } from '../domain/environment.ts';
import type { LifecyclePlaybook } from '../domain/lifecycle-playbook.ts';
import { nearestWord } from '../domain/nearest.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { acrossFiles, type EnvironmentFile } from './across-files.ts';
import { nameOf, readOne, whole, whyBadName, yamlFiles } from './config-folder.ts';
import { type PlaybooksRead, readPlaybooks } from './load-playbooks.ts';
import { hostsOf, isOfSandbox, type Opened, prometheusUrlOf } from './named-files.ts';
import type { PathBase } from './paths.ts';
import { fault, type Problem, sortProblems } from './problem.ts';
import { resolveEnvironment } from './resolve.ts';
import { isLifecycleVerb, resolveLifecyclePlaybook } from './resolve-playbook.ts';
import type { EnvironmentWritten } from './schema/environment.ts';
import type { Action } from './schema/playbook.ts';
import { sharedHostFaults } from './shared-hosts.ts';
import { readEnvironmentText } from './written.ts';

export interface ConfigPlaces {
  /** Folder that holds `environments/`. */
  readonly dir: string;
  /** Folders of playbooks; a later one overrides an earlier one by name. One that does not exist is empty. */
  readonly playbookDirs: readonly string[];
  /** What `${state}` stands for in paths. */
  readonly stateDir: string;
  /** What `~/` stands for. */
  readonly homeDir: string;
}

export interface ReadyEnvironment {
  readonly kind: 'ready';
  readonly name: string;
  readonly file: string;
  /** With the policy of `upgrade`, which deploy and promote follow. */
  readonly environment: Environment;
  /** The same with another action's playbook laid underneath. */
  readonly forAction: (action: Action) => Environment;
  /** A playbook of `osqueryd VERB`, by the name of its file without ending, such as `restart`, over this environment. */
  readonly lifecyclePlaybook: (name: string) => Result<LifecyclePlaybook, NoPlaybook>;
}

/** What an emergency may go on with where calm work may not (L3). */
export interface LastResort extends ReadyEnvironment {
  /** Why there is no list of hosts to go by, so that the last known one has to do; null: the list is right. */
  readonly whyNoHosts: string | null;
  /** Why metrics cannot be asked; null: they can. */
  readonly whyNoMetrics: string | null;
}

/** Why there is no lifecycle playbook of a name. */
export type NoPlaybook =
  /** `known`: the names that there are, those with problems among them. */
  | { readonly kind: 'unknown'; readonly known: readonly string[]; readonly suggestion: string | null }
  /** It is there and wrong. */
  | { readonly kind: 'invalid'; readonly file: string; readonly problems: readonly Problem[] }
  /** It is a rollout's, such as `upgrade`. */
  | { readonly kind: 'not-lifecycle'; readonly file: string; readonly action: Action };

export type LoadedEnvironment =
  | ReadyEnvironment
  /** Right, but it cannot be used now: it needs a file that is not there. */
  | {
      readonly kind: 'not-there';
      readonly name: string;
      readonly file: string;
      readonly description: string;
      readonly promotesFrom: string | null;
      readonly problems: readonly Problem[];
      readonly lastResort: LastResort | null;
    }
  /** Right, and nobody's: it would lead to what belongs to others, or to nothing. */
  | {
      readonly kind: 'example';
      readonly name: string;
      readonly file: string;
      readonly description: string;
      readonly promotesFrom: string | null;
      readonly problems: readonly Problem[];
    }
  | {
      readonly kind: 'invalid';
      readonly name: string;
      readonly file: string;
      readonly problems: readonly Problem[];
      readonly lastResort: LastResort | null;
    };

export interface LoadedConfig {
  /** By name, in the order of names. */
  readonly environments: ReadonlyMap<string, LoadedEnvironment>;
  /** Everything that is wrong in any file; what is only unusable now is not among it. */
  readonly problems: readonly Problem[];
  /** What is right and may yet not be meant, by file and place. */
  readonly notes: readonly Problem[];
}

export async function loadConfig(places: ConfigPlaces): Promise<LoadedConfig> {
  const [files, playbooks] = await Promise.all([
    readEnvironments(places),
    readPlaybooks(places.playbookDirs),
  ]);
  const environments = new Map<string, LoadedEnvironment>();
  for (const file of files.list) environments.set(file.name, await finish(file, playbooks, places));
  refuseSharedHosts(environments, files.list);
  const invalid = [...environments.values()].flatMap((one) => (one.kind === 'invalid' ? one.problems : []));
  const all = new Set([...files.problems, ...playbooks.problems, ...playbooks.lifecycleProblems, ...invalid]);
  const notes = sortProblems(files.list.flatMap((file) => file.notes));
  return { environments, problems: sortProblems([...all]), notes };
}

function refuseSharedHosts(
  environments: Map<string, LoadedEnvironment>,
  files: readonly EnvironmentFile[],
): void {
  const ready = [...environments.values()].filter((one) => one.kind === 'ready');
  for (const [name, faults] of sharedHostFaults(ready.map(({ environment }) => environment))) {
    const { file, yaml } = files.find((one) => one.name === name) ?? {};
    const before = ready.find((one) => one.name === name);
    if (file === undefined || yaml === undefined || yaml === null || before === undefined) continue;
    const problems = faults.map((one) => yaml.problem(one));
    const lastResort = withoutSharedList({ ...before, whyNoHosts: null, whyNoMetrics: null }, problems);
    environments.set(name, { kind: 'invalid', name, file, problems, lastResort });
  }
  refuseSharedLastResorts(environments, files);
}

/** Those that an emergency alone may use: after the others, whose VMs stay theirs. */
function refuseSharedLastResorts(
  environments: Map<string, LoadedEnvironment>,
  files: readonly EnvironmentFile[],
): void {
  const all = [...environments.values()];
  const ready = all.flatMap((one) => (one.kind === 'ready' ? [one.environment] : []));
  const rest = all.flatMap((one) => ('lastResort' in one && one.lastResort !== null ? [one.lastResort] : []));
  const listed = rest.filter(({ whyNoHosts }) => whyNoHosts === null);
  const faultsByName = sharedHostFaults([...ready, ...listed.map(({ environment }) => environment)]);
  for (const lastResort of listed) {
    const { name } = lastResort;
    const one = environments.get(name);
    const yaml = files.find((file) => file.name === name)?.yaml ?? null;
    const problems = faultsByName.get(name)?.map((found) => yaml?.problem(found)) ?? [];
    const known = problems.filter((problem) => problem !== undefined);
    if (known.length === 0 || one === undefined || !('lastResort' in one)) continue;
    environments.set(name, { ...one, lastResort: withoutSharedList(lastResort, known) });
  }
}

/** Of a cloud there is none: its last listing would have the other environment's VMs as well. */
function withoutSharedList(before: LastResort, problems: readonly Problem[]): LastResort | null {
  return before.environment.inventory.kind === 'static' ? { ...before, whyNoHosts: shortly(problems) } : null;
}

/** The first of them, with its place. */
function shortly(problems: readonly Problem[]): string | null {
  const [first] = problems;
  if (first === undefined) return null;
  const more = problems.length === 1 ? '' : ` (and ${problems.length - 1} more)`;
  // 0: it is of the whole file.
  const place = first.line === 0 ? first.file : `${first.file}:${first.line}:${first.column}`;
  return `${place}: ${first.message}${more}`;
}

async function readEnvironments(
  places: ConfigPlaces,
): Promise<{ list: EnvironmentFile[]; problems: Problem[] }> {
  const dir = join(resolve(places.dir), 'environments');
  const listing = await yamlFiles(dir);
  if (!listing.ok)
    return {
      list: [],
      problems: [whole(dir, `the folder of environments ${listing.error.message}`)],
    };
  const list: EnvironmentFile[] = [];
  const problems: Problem[] = [];
  for (const file of listing.value) {
    const bad = whyBadName(file);
    if (bad !== null) {
      problems.push(whole(file, bad));
      continue;
    }
    const name = nameOf(file);
    const twin = list.find((other) => other.name === name);
    if (twin !== undefined) {
      problems.push(whole(file, `there is ${basename(twin.file)} too; one of the two must go`));
      continue;
    }
    list.push({ ...(await readOne(file, readEnvironmentText)), name });
  }
  return { list: acrossFiles(list, (file) => baseOf(file, places)), problems };
}

function baseOf(file: string, places: ConfigPlaces): PathBase {
  return { file, stateDir: resolve(places.stateDir), homeDir: places.homeDir };
}

/** Opens what the environment's file names, and resolves it. */
async function finish(
  file: EnvironmentFile,
  { rollout, byName, problems: playbookProblems }: PlaybooksRead,
  places: ConfigPlaces,
): Promise<LoadedEnvironment> {
  const { name, written, yaml } = file;
  const before = [...playbookProblems, ...file.problems];
  if (written === null || yaml === null || before.length > 0)
    return { kind: 'invalid', name, file: file.file, problems: sortProblems(before), lastResort: null };
  const { description, promotesFrom } = written;
  const about = { name, file: file.file, description, promotesFrom };
  if (written.example) {
    const message = 'it is an example: make the file yours, then take this line out';
    return {
      kind: 'example',
      ...about,
      problems: [yaml.problem(fault(['example'], message, { part: 'key' }))],
    };
  }
  const base = baseOf(file.file, places);
  const hosts = await hostsOf(written, yaml, base);
  const url = await prometheusUrlOf(written, yaml, base);
  const resolving = {
    base,
    raw: yaml.value,
    written,
    playbooks: rollout,
    hosts: hosts.kind === 'read' ? hosts.value : [],
    prometheusUrl: url.kind === 'read' ? url.value : '',
  };
  const forAction = (action: Action): Environment => resolveEnvironment(resolving, action);
  const ready: ReadyEnvironment = {
    kind: 'ready',
    name,
    file: file.file,
    environment: forAction('upgrade'),
    forAction,
    lifecyclePlaybook: (called) => lifecyclePlaybook(called, byName, yaml.value),
  };
  if (hosts.kind === 'read' && url.kind === 'read') return ready;
  const lastResort: LastResort | null = isAbsentSandbox(written, hosts)
    ? null
    : { ...ready, whyNoHosts: whyNot(hosts), whyNoMetrics: whyNot(url) };
  const wrong = [hosts, url].flatMap((one) => (one.kind === 'wrong' ? one.problems : []));
  if (wrong.length > 0) return { kind: 'invalid', name, file: file.file, problems: wrong, lastResort };
  const problems = [hosts, url].flatMap((one) => (one.kind === 'read' ? [] : one.problems));
  return { kind: 'not-there', ...about, problems, lastResort };
}

function whyNot(opened: Opened<unknown>): string | null {
  return opened.kind === 'read' ? null : shortly(opened.problems);
}

/** L3. */
function isAbsentSandbox({ inventory }: EnvironmentWritten, hosts: Opened<unknown>): boolean {
  return hosts.kind === 'not-there' && inventory.kind === 'static' && isOfSandbox(inventory.file ?? '');
}

function lifecyclePlaybook(
  name: string,
  playbooks: PlaybooksRead['byName'],
  environment: unknown,
): Result<LifecyclePlaybook, NoPlaybook> {
  const found = playbooks.get(name);
  if (found === undefined) {
    const known = [...playbooks].flatMap(([one, { isRollouts }]) => (isRollouts ? [] : [one])).sort();
    return err({ kind: 'unknown', known, suggestion: nearestWord(name, known) });
  }
  if (found.playbook === null) return err({ kind: 'invalid', file: found.file, problems: found.problems });
  const { action } = found.playbook;
  if (!isLifecycleVerb(action)) return err({ kind: 'not-lifecycle', file: found.file, action });
  return ok(resolveLifecyclePlaybook(name, { ...found.playbook, action }, environment));
}
