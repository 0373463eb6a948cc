/**
 * Reads `environments/*.yaml` and `playbooks/*.yaml`: every problem of every file at once, and each environment as what it
 * is worth: ready, not usable now, or wrong.
 *
 * L1  An environment's problem makes only that environment invalid: a slip in gprd does not stop work on gstg. A rollout's playbook
 *     lies under all environments, so that its problem is each one's; a lifecycle playbook's is its own alone, since nobody who stops
 *     the agent should have to mend a file about restarts first. Never is another playbook used in a wrong one's place.
 * L2  An environment that is only listed may name a sandbox that does not run.
 */
import { basename, join, resolve } from 'node:path';
import type { Environment } from '../domain/environment.ts';
import type { LifecyclePlaybook } from '../domain/lifecycle-playbook.ts';
import { nearestWord } from '../domain/nearest.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { acrossFiles, type EnvironmentFile } from './across-files.ts';
import { nameOf, readOne, whole, whyBadName, yamlFiles } from './config-folder.ts';
import { type PlaybooksRead, readPlaybooks } from './load-playbooks.ts';
import type { PathBase } from './paths.ts';
import { expandPath } from './paths.ts';
import { fault, type Problem, sortProblems } from './problem.ts';
import { MAX_INVENTORY_BYTES, readText } from './read-file.ts';
import { resolveEnvironment } from './resolve.ts';
import { isLifecycleVerb, resolveLifecyclePlaybook } from './resolve-playbook.ts';
import type { EnvironmentWritten, HostWritten } from './schema/environment.ts';
import { whyNoBaseUrl } from './schema/parts.ts';
import type { Action } from './schema/playbook.ts';
import { sharedHostFaults } from './shared-hosts.ts';
import { readEnvironmentText, readHostsText } from './written.ts';
import type { YamlFile } from './yaml-file.ts';

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
  const ready = [...environments.values()].flatMap((one) => (one.kind === 'ready' ? [one.environment] : []));
  for (const [name, faults] of sharedHostFaults(ready)) {
    const { file, yaml } = files.find((one) => one.name === name) ?? {};
    if (file === undefined || yaml === undefined || yaml === null) continue;
    environments.set(name, { kind: 'invalid', name, file, problems: faults.map((one) => yaml.problem(one)) });
  }
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
    return { kind: 'invalid', name, file: file.file, problems: sortProblems(before) };
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
  const wrong = [hosts, url].flatMap((one) => (one.kind === 'wrong' ? one.problems : []));
  if (wrong.length > 0) return { kind: 'invalid', name, file: file.file, problems: wrong };
  if (hosts.kind !== 'read' || url.kind !== 'read') {
    const problems = [hosts, url].flatMap((one) => (one.kind === 'read' ? [] : one.problems));
    return { kind: 'not-there', ...about, problems };
  }
  const resolving = {
    base,
    raw: yaml.value,
    written,
    playbooks: rollout,
    hosts: hosts.value,
    prometheusUrl: url.value,
  };
  const forAction = (action: Action): Environment => resolveEnvironment(resolving, action);
  return {
    kind: 'ready',
    name,
    file: file.file,
    environment: forAction('upgrade'),
    forAction,
    lifecyclePlaybook: (called) => lifecyclePlaybook(called, byName, yaml.value),
  };
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

type Opened<T> =
  | { readonly kind: 'read'; readonly value: T }
  | { readonly kind: 'not-there' | 'wrong'; readonly problems: readonly Problem[] };

async function hostsOf(
  written: EnvironmentWritten,
  yaml: YamlFile,
  base: PathBase,
): Promise<Opened<readonly HostWritten[]>> {
  if (written.inventory.kind !== 'static') return { kind: 'read', value: [] };
  if (written.inventory.file === undefined) return { kind: 'read', value: written.inventory.hosts ?? [] };
  const opened = await openNamed({
    yaml,
    base,
    path: ['inventory', 'file'],
    named: written.inventory.file,
    what: 'the list of hosts',
  });
  if (opened.kind !== 'read') return opened;
  const { file, text } = opened.value;
  const hosts = readHostsText(file, text, written.ssh.port);
  return hosts.written === null
    ? { kind: 'wrong', problems: hosts.problems }
    : { kind: 'read', value: hosts.written };
}

async function prometheusUrlOf(
  written: EnvironmentWritten,
  yaml: YamlFile,
  base: PathBase,
): Promise<Opened<string>> {
  const { url, urlFile } = written.prometheus;
  if (urlFile === undefined) return { kind: 'read', value: url ?? '' };
  const path = ['prometheus', 'urlFile'];
  const opened = await openNamed({ yaml, base, path, named: urlFile, what: "the file with Prometheus' URL" });
  if (opened.kind !== 'read') return opened;
  const line = opened.value.text.split('\n', 1)[0]?.trim() ?? '';
  const why = whyNoBaseUrl(line);
  if (why === null) return { kind: 'read', value: line };
  return {
    kind: 'wrong',
    problems: [yaml.problem(fault(path, `the first line of ${opened.value.file}: ${why}`))],
  };
}

interface Named {
  readonly yaml: YamlFile;
  readonly base: PathBase;
  readonly path: readonly string[];
  readonly named: string;
  readonly what: string;
}

async function openNamed({
  yaml,
  base,
  path,
  named,
  what,
}: Named): Promise<Opened<{ file: string; text: string }>> {
  const file = expandPath(named, base);
  const text = await readText(file, MAX_INVENTORY_BYTES);
  if (text.ok) return { kind: 'read', value: { file, text: text.value } };
  const missing = text.error.kind === 'not-there';
  if (!missing)
    return {
      kind: 'wrong',
      problems: [yaml.problem(fault(path, `${what}, ${file}: ${text.error.message}`))],
    };
  const message = named.startsWith('${state}/sandbox/')
    ? `the sandbox is not running: start it with \`rollout sandbox up\` (${file} does not exist)`
    : `${what} does not exist: ${file}`;
  return { kind: 'not-there', problems: [yaml.problem(fault(path, message, { found: named }))] };
}
