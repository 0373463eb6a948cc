/**
 * A fleet of real hosts for one test file: `const fleet = await bootFleet({...})` before, `await fleet.down()` after.
 *
 * F1  One rig a machine and prefix at a time: a second run is refused with the first one's name.
 * F2  Nothing outlives the run, also when it is killed: a janitor outside it takes everything down when it ends.
 * F3  Only what the rig recorded under its own folder in /run is ever killed, unmounted or deleted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { link, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AGENT_VERSIONS,
  type AgentBehaviour,
  type AgentPackage,
  buildAgent,
  buildBase,
  layAgent,
  laySysvinit,
} from './agent.ts';
import { must, type Ran, until } from './command.ts';
import { type ConfigOverrides, type WrittenConfig, writeConfig } from './config-folder.ts';
import { type HostSpec, RigHost, type Running } from './host.ts';
import { whyImpossible } from './possible.ts';
import { RigPrometheus, type RuleGroup } from './prometheus.ts';
import { RIG_SCRIPTS, type RigSettings, rigSettings, scriptEnvironment } from './settings.ts';

export interface FleetSpec {
  /** At most 200. */
  readonly hosts: readonly HostSpec[];
  /** Versions to build, for every environment of the hosts; added to AGENT_VERSIONS, whose are built when asked for. */
  readonly versions?: Readonly<Record<string, AgentBehaviour>>;
  /** What every host has installed, enabled and running; default `5.9.1`. */
  readonly installed?: string;
  /** Size of each host's disk beyond the base system, MiB; default 192. Memory, but only what is written. */
  readonly diskMib?: number;
  /** Rules that Prometheus evaluates; default none. */
  readonly rules?: readonly RuleGroup[];
}

/** Seconds that parts of `bootFleet` took. */
export interface BootTimes {
  readonly base: number;
  readonly hosts: number;
  readonly prometheus: number;
}

/** Takes the rig for this run (F1, F2); gives what lets it go again. */
async function takeRig(settings: RigSettings): Promise<() => Promise<void>> {
  const lock = `/run/lock/${settings.prefix}.lock`;
  const holder = `process ${process.pid} in ${process.cwd()}, since ${new Date().toISOString()}`;
  const janitor: ChildProcess = spawn(
    'flock',
    [
      '--close',
      '--wait',
      '10',
      '--conflict-exit-code',
      '75',
      lock,
      join(RIG_SCRIPTS, 'janitor.sh'),
      lock,
      holder,
    ],
    { detached: true, env: scriptEnvironment(settings), stdio: ['pipe', 'pipe', 'inherit'] },
  );
  let said = '';
  const ended = new Promise<number | null>((resolve, reject) => {
    janitor.on('error', reject);
    janitor.on('close', (code) => resolve(code));
  });
  const ready = new Promise<void>((resolve) => {
    janitor.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('ready')) resolve();
    });
  });
  const code = await Promise.race([ready, ended]);
  if (code === 75) {
    throw new Error(
      `another run holds the rig ${settings.prefix}: ${readFileSync(lock, 'utf8').trim()}; wait for it, or set ROLLOUT_RIG_PREFIX and ROLLOUT_RIG_NET`,
    );
  }
  if (code !== undefined)
    throw new Error(`the rig could not be taken: ${said.trim() || `its janitor ended with ${code}`}`);
  return async () => {
    janitor.stdin?.end();
    await ended;
  };
}

export class Fleet {
  readonly hosts: readonly RigHost[];
  readonly prometheus: RigPrometheus;
  readonly times: BootTimes;
  readonly #settings: RigSettings;
  readonly #spec: FleetSpec;
  readonly #base: string;
  readonly #release: () => Promise<void>;

  constructor(parts: {
    hosts: readonly RigHost[];
    prometheus: RigPrometheus;
    times: BootTimes;
    settings: RigSettings;
    spec: FleetSpec;
    base: string;
    release: () => Promise<void>;
  }) {
    this.hosts = parts.hosts;
    this.prometheus = parts.prometheus;
    this.times = parts.times;
    this.#settings = parts.settings;
    this.#spec = parts.spec;
    this.#base = parts.base;
    this.#release = parts.release;
  }

  host(name: string): RigHost {
    const host = this.hosts.find((candidate) => candidate.name === name);
    if (host === undefined)
      throw new Error(
        `the fleet has no host ${name}; it has ${this.hosts.map((one) => one.name).join(', ')}`,
      );
    return host;
  }

  /** The hosts of one environment. */
  in(environment: string): readonly RigHost[] {
    return this.hosts.filter((host) => host.spec.environment === environment);
  }

  /** The environment's package of a version, built when first asked for. */
  async package(version: string, environment: string): Promise<AgentPackage> {
    return await buildAgent(this.#settings, version, environment, behaviourOf(this.#spec, version));
  }

  /** Installs a version as an operator would by hand; gives dpkg's own answer. What ran before runs on until a restart. */
  async install(host: RigHost, version: string): Promise<Ran> {
    const agent = await this.package(version, host.spec.environment);
    await host.put(agent.file, '/root/agent.deb');
    return await host.exec('DEBIAN_FRONTEND=noninteractive dpkg --install /root/agent.deb 2>&1');
  }

  /** What runs on every host (of one environment), by host name. Throws while one of them is frozen or off. */
  async running(environment?: string): Promise<Readonly<Record<string, Running>>> {
    const hosts = environment === undefined ? this.hosts : this.in(environment);
    return Object.fromEntries(
      await Promise.all(hosts.map(async (host) => [host.name, await host.running()] as const)),
    );
  }

  /**
   * Everything as `bootFleet` made it, with `installed` running on every host; Prometheus runs and knows no past. With
   * `environment` only its hosts, and Prometheus is left as it is: what others see there may be theirs.
   */
  async reset({ installed, environment }: { installed?: string; environment?: string } = {}): Promise<void> {
    const spec = installed === undefined ? this.#spec : { ...this.#spec, installed };
    const lower = await layers(this.#settings, spec, this.#base);
    const hosts = environment === undefined ? this.hosts : this.in(environment);
    const resets = hosts.map((host) => host.reset(lower(host)));
    await together(environment === undefined ? [...resets, this.prometheus.reset()] : resets);
  }

  /** A day that is busier for everybody (of one environment): each agent burns so much more of a core, percent. 0: none. */
  async setLoad(percent: number, environment?: string): Promise<void> {
    const hosts = environment === undefined ? this.hosts : this.in(environment);
    await together(hosts.map((host) => host.setLoad(percent)));
  }

  /** Writes `environments/*.yaml` for this fleet into `folder`, with a store and a journal of its own there. */
  async writeConfig(folder: string, overrides: ConfigOverrides = {}): Promise<WrittenConfig> {
    return await writeConfig({
      folder,
      hosts: this.hosts,
      prometheusUrl: this.prometheus.url,
      identityFile: join(this.#base, 'id_ed25519'),
      knownHosts: await readFile(join(this.#settings.state, 'known_hosts'), 'utf8'),
      overrides,
    });
  }

  /** Takes everything down. May be called twice. */
  async down(): Promise<void> {
    await this.#release();
  }
}

function behaviourOf(spec: FleetSpec, version: string): AgentBehaviour {
  const all: Readonly<Record<string, AgentBehaviour>> = { ...AGENT_VERSIONS, ...spec.versions };
  const behaviour = all[version];
  if (behaviour === undefined)
    throw new Error(`no behaviour is known for version ${version}; there are ${Object.keys(all).join(', ')}`);
  return behaviour;
}

/** For each host the lower layers that have its environment's `installed` package. */
async function layers(
  settings: RigSettings,
  spec: FleetSpec,
  base: string,
): Promise<(host: RigHost) => string> {
  const version = spec.installed ?? '5.9.1';
  const byKind = new Map<string, string>();
  const kindOf = ({ environment, init }: HostSpec): string => `${environment} ${init ?? 'systemd'}`;
  for (const host of spec.hosts) {
    if (byKind.has(kindOf(host))) continue;
    const agent = await buildAgent(settings, version, host.environment, behaviourOf(spec, version));
    const lower = await layAgent(settings, base, agent);
    byKind.set(kindOf(host), host.init === 'sysvinit' ? await laySysvinit(settings, lower) : lower);
  }
  return (host) => byKind.get(kindOf(host.spec)) ?? '';
}

/** More boots at once would take no less time, and each of them so long that it looks as if it hung. */
const MOST_BOOTS = 6;

/** Works through all, also where one fails, a few at a time. */
async function fewAtOnce(work: readonly (() => Promise<void>)[]): Promise<void> {
  const left = [...work];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift())
      await next().catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: MOST_BOOTS }, worker));
  throwAll(failures);
}

/** Waits for all, also where one fails, so that nothing is still being made while the rig is taken down. */
async function together(work: readonly Promise<void>[]): Promise<void> {
  const failures = (await Promise.allSettled(work))
    .filter((one) => one.status === 'rejected')
    .map((one) => one.reason as unknown);
  throwAll(failures);
}

function throwAll(failures: readonly unknown[]): void {
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('\n'));
}

/** Gives the public half. Whole at once: another worker may want the same key, and the first one to be there is everybody's. */
async function makeKey(key: string): Promise<string> {
  const work = await mkdtemp(`${key}.`);
  const made = join(work, 'key');
  await must('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'rollout-rig', '-f', made]);
  await link(made, key).then(
    async () => await rename(`${made}.pub`, `${key}.pub`),
    async () => await until(`${key}.pub is there`, () => existsSync(`${key}.pub`)),
  );
  await rm(work, { recursive: true });
  return await readFile(`${key}.pub`, 'utf8');
}

/** Writes the hosts' keys (kept in the cache: making them takes longer than booting) and the known_hosts file. */
async function makeHostKeys(settings: RigSettings, specs: readonly HostSpec[]): Promise<readonly string[]> {
  const folder = join(settings.cache, 'host-keys');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const known: string[] = [];
  const keys: string[] = [];
  for (const [index, spec] of specs.entries()) {
    const key = join(folder, String(index + 1));
    const pub = await readFile(`${key}.pub`, 'utf8').catch(async () => await makeKey(key));
    known.push(`${settings.net}.${11 + index},${spec.name} ${pub.split(' ').slice(0, 2).join(' ')}\n`);
    keys.push(key);
  }
  await writeFile(join(settings.state, 'known_hosts'), known.join(''));
  return keys;
}

/** Boots a fleet; throws with all the reasons where this machine cannot. Whatever fails, nothing is left behind. */
export async function bootFleet(spec: FleetSpec): Promise<Fleet> {
  const reasons = whyImpossible();
  if (reasons.length > 0) throw new Error(`real hosts cannot be booted here:\n- ${reasons.join('\n- ')}`);
  const settings = rigSettings();
  const began = performance.now();
  await mkdir(settings.cache, { recursive: true });
  const base = await buildBase(settings);
  const built = performance.now();
  const release = await takeRig(settings);
  try {
    const keys = await makeHostKeys(settings, spec.hosts);
    const options = ['BatchMode=yes', 'IdentitiesOnly=yes', 'StrictHostKeyChecking=yes', 'ConnectTimeout=2'];
    options.push(
      `UserKnownHostsFile=${join(settings.state, 'known_hosts')}`,
      `IdentityFile=${join(base, 'id_ed25519')}`,
    );
    const sshArguments = ['-F', 'none', ...options.flatMap((option) => ['-o', option])];
    const hosts = spec.hosts.map(
      (host, index) =>
        new RigHost(host, {
          settings,
          number: index + 1,
          diskMib: spec.diskMib ?? 192,
          hostKey: keys[index] ?? '',
          sshArguments,
        }),
    );
    const lower = await layers(settings, spec, base);
    const laid = performance.now();
    await fewAtOnce(hosts.map((host) => async () => await host.create(lower(host))));
    const booted = performance.now();
    const prometheus = new RigPrometheus(settings);
    await prometheus.create(hosts, spec.rules === undefined ? {} : { rules: spec.rules });
    const times = {
      base: (built - began) / 1000,
      hosts: (booted - laid) / 1000,
      prometheus: (performance.now() - booted) / 1000,
    };
    return new Fleet({ hosts, prometheus, times, settings, spec, base, release });
  } catch (error) {
    await release();
    throw error;
  }
}
