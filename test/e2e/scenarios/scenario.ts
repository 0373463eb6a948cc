/**
 * What every scenario on real hosts begins with: a fleet of its own part of the rig, a configuration folder, staged versions;
 * and what it ends with: what really runs on each host, what the journal says, how the command ended.
 *
 * A lane is an environment of the rig's fleet. Scenarios of different lanes run at the same time: most of their time is
 * waiting for agents to prove themselves.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';
import { sha256Hex } from '../../../src/adapters/local-journal/chain.ts';
import { localJournal } from '../../../src/adapters/local-journal/local-journal.ts';
import { type Entry, type EntryKind, verifyChain } from '../../../src/domain/journal.ts';
import type { Plan } from '../../../src/domain/plan.ts';
import type { AgentBehaviour } from '../rig/agent.ts';
import {
  type CliEvent,
  type CliOptions,
  type CliResult,
  runCli,
  type StartedCli,
  startCli,
} from '../rig/cli.ts';
import type { ConfigOverrides, WrittenConfig } from '../rig/config-folder.ts';
import { bootFleet, type Fleet } from '../rig/fleet.ts';
import type { HostSpec, RigHost } from '../rig/host.ts';
import type { RuleGroup } from '../rig/prometheus.ts';

/** What hosts have at first. */
export const OLD = '5.9.1';
export const GOOD = '5.10.2';

/** Commands that ask nothing, and take no --yes. */
const READS: ReadonlySet<string> = new Set([
  'status',
  'history',
  'releases',
  'stage',
  'plan',
  'watch',
  'fleet',
  'coverage',
  'whois',
  'doctor',
  'holds',
]);

/** Of the lifecycle. */
const OSQUERYD_READS: ReadonlySet<string> = new Set(['status', 'holds']);

/** Nothing but noise is wanted of good versions here: a dozen hosts share two cores with the programs under test. */
const VERSIONS = { '5.8.2': {}, [OLD]: {}, [GOOD]: {} };

interface Settings {
  readonly [key: string]: unknown;
}

/** Seconds instead of hours. The CPU of a bad version shows within 3 s, since each host is scraped once a second. */
export const FAST: Settings = {
  soak: '1s',
  bake: '2s',
  sampleEvery: '1s',
  prove: '1s',
  ssh: { keepalive: '2s' },
  waves: { maxUnavailable: { environment: '67%' } },
  lifecycle: { settle: '1s', deadline: '40s', prove: '1s' },
  limits: { hostDeadline: '6s', retryEvery: '1s', rollbackDeadline: '8s' },
  gates: [
    { use: 'agent-cpu', window: '4s', for: '2s' },
    { use: 'agent-memory', window: '4s', for: '2s' },
    { use: 'agent-restarts', window: '4s' },
    { use: 'agent-alive', window: '4s', for: '3s' },
  ],
};

/** A host of a lane; its name is `LANE-SHORT`. */
export interface LaneHost extends Omit<HostSpec, 'name' | 'environment'> {
  readonly short: Short;
}

export interface LanesOptions {
  /** Hosts of each lane; default two of role web and one of role db. */
  readonly shape?: readonly LaneHost[];
  /** Besides the good ones and AGENT_VERSIONS, or instead of them. */
  readonly versions?: Readonly<Record<string, AgentBehaviour>>;
  /** That Prometheus evaluates. */
  readonly rules?: readonly RuleGroup[];
}

/** `web-1` and `db-1` are the canary wave (which of two alike hosts is first is the planner's choice), `web-2` the next. */
const SHAPE: readonly LaneHost[] = [
  { short: 'web-1', role: 'web', zone: 'us-east1-b' },
  { short: 'web-2', role: 'web', zone: 'us-east1-c' },
  { short: 'db-1', role: 'db', zone: 'us-east1-b' },
];

/** One more than vitest runs tests of a file at once (vitest.e2e.config.ts): one scenario more begins on hosts as they were booted. */
export const FOUR_LANES: readonly string[] = ['north', 'east', 'south', 'west'];

/** A host's name within its lane, such as `web-1`. */
export type Short = string;

export const ALL: readonly Short[] = SHAPE.map(({ short }) => short);

export function laneHosts(lane: string, shape: readonly LaneHost[] = SHAPE): HostSpec[] {
  return shape.map(({ short, ...spec }) => ({ ...spec, name: `${lane}-${short}`, environment: lane }));
}

/** A fleet whose environments are handed out to scenarios one by one. */
export class Lanes {
  readonly fleet: Fleet;
  readonly #free: string[];
  readonly #waiting: ((lane: string) => void)[] = [];
  /** Lanes that are as they were booted. */
  readonly #fresh: Set<string>;

  private constructor(fleet: Fleet, lanes: readonly string[]) {
    this.fleet = fleet;
    this.#free = [...lanes];
    this.#fresh = new Set(lanes);
  }

  static async boot(lanes: readonly string[], options: LanesOptions = {}): Promise<Lanes> {
    const { shape, versions, rules } = options;
    const hosts = lanes.flatMap((lane) => laneHosts(lane, shape));
    const spec = { hosts, versions: { ...VERSIONS, ...versions }, ...(rules === undefined ? {} : { rules }) };
    return new Lanes(await bootFleet(spec), lanes);
  }

  /** Runs a scenario on freshly made hosts. */
  async with(
    work: (scenario: Scenario) => Promise<void>,
    options: { readonly overrides?: Settings; readonly installed?: string } = {},
  ): Promise<void> {
    const lane = this.#free.shift() ?? (await new Promise<string>((resolve) => this.#waiting.push(resolve)));
    const folder = await mkdtemp(join(tmpdir(), 'rollout-scenario-'));
    try {
      const { installed } = options;
      if (!this.#fresh.delete(lane) || installed !== undefined)
        await this.fleet.reset({ environment: lane, ...(installed === undefined ? {} : { installed }) });
      const scenario = new Scenario({ fleet: this.fleet, environment: lane, folder });
      await scenario.configure(options.overrides);
      await work(scenario);
    } finally {
      await rm(folder, { recursive: true, force: true });
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(lane);
      else next(lane);
    }
  }
}

export class Scenario {
  readonly fleet: Fleet;
  readonly environment: string;
  readonly folder: string;
  #config: WrittenConfig | undefined;

  constructor(parts: { fleet: Fleet; environment: string; folder: string }) {
    this.fleet = parts.fleet;
    this.environment = parts.environment;
    this.folder = parts.folder;
  }

  /** Writes the configuration, again where a scenario changes it; the store and the journal stay. */
  async configure(overrides: Settings = {}): Promise<void> {
    const only: ConfigOverrides = { all: FAST, only: { [this.environment]: { ...FAST, ...overrides } } };
    this.#config = await this.fleet.writeConfig(this.folder, only);
  }

  get config(): WrittenConfig {
    if (this.#config === undefined) throw new Error('configure was not awaited');
    return this.#config;
  }

  /** Its hosts' names. */
  get all(): readonly Short[] {
    return this.fleet.in(this.environment).map(({ name }) => name.slice(this.environment.length + 1));
  }

  host(short: Short): RigHost {
    return this.fleet.host(`${this.environment}-${short}`);
  }

  /** Runs `rollout ARGS`, answering every question with yes. */
  async cli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    const result = await runCli(this.#words(args), { configDir: this.folder, ...options });
    if (process.env['ROLLOUT_RIG_SHOW'] !== undefined) console.error(args.join(' '), said(result));
    return result;
  }

  start(args: readonly string[], options: CliOptions = {}): StartedCli {
    return startCli(this.#words(args), { configDir: this.folder, ...options });
  }

  #words(args: readonly string[]): string[] {
    const [first = '', second = ''] = args;
    const asks =
      first === 'osqueryd' ? !OSQUERYD_READS.has(second) && !args.includes('--dry-run') : !READS.has(first);
    return [...args, ...(asks && second !== 'list' ? ['--yes'] : [])];
  }

  async stage(...versions: readonly string[]): Promise<void> {
    for (const version of versions) {
      const { file } = await this.fleet.package(version, this.environment);
      const staged = await this.cli(['stage', version, '--package', `${this.environment}=${file}`]);
      expect(staged, said(staged)).toMatchObject({ code: 0 });
    }
  }

  /** The hosts of each wave that a rollout would have, by short name. Changes nothing. */
  async waves(version: string): Promise<readonly (readonly Short[])[]> {
    const planned = await this.cli(['plan', this.environment, version, '--json']);
    expect(planned, said(planned)).toMatchObject({ code: 0 });
    const plan = planned.events.find((event) => event['type'] === 'plan')?.['plan'] as Plan;
    return plan.waves.map((wave) => wave.hosts.map(({ name }) => name.slice(this.environment.length + 1)));
  }

  /** The one host that is in no canary wave. */
  async lastHost(version: string): Promise<{ readonly last: Short; readonly canaries: readonly Short[] }> {
    const [canaries = [], rest = []] = await this.waves(version);
    const [last] = rest;
    if (canaries.length !== 2 || last === undefined || rest.length !== 1)
      throw new Error(
        `expected a canary wave of two and one host more, found ${JSON.stringify([canaries, rest])}`,
      );
    return { last, canaries };
  }

  /** Runs `rollout osqueryd VERB` over this environment alone. */
  async osqueryd(verb: string, ...words: readonly string[]): Promise<CliResult> {
    return await this.cli(['osqueryd', verb, '--env', this.environment, ...words]);
  }

  /** Asserts on the hosts themselves that the agent is stopped and held: no process, a brake, and a hold that a human finds. */
  async expectHeld(shorts: readonly Short[] = this.all): Promise<void> {
    for (const short of shorts) {
      const host = this.host(short);
      expect(await host.running(), `${short} is stopped`).toMatchObject({ processes: 0, mainPid: 0 });
      expect(await host.sh('cat /var/lib/rollout/hold'), `${short} is held`).toContain('osqueryd start');
      expect(
        (await host.exec('systemctl start osqueryd; pgrep -x osqueryd')).stdout,
        `${short} cannot be started`,
      ).toBe('');
    }
  }

  /** Asserts on the hosts themselves that nothing is left of a hold. */
  async expectNotHeld(shorts: readonly Short[] = this.all): Promise<void> {
    for (const short of shorts) {
      const left = await this.host(short).exec(
        'ls /var/lib/rollout/hold /run/rollout/hold /etc/systemd/system/osqueryd.service.d 2>/dev/null; find /etc/systemd/system /run/systemd/system -maxdepth 1 -lname /dev/null -name "osqueryd*"',
      );
      expect(left.stdout, `${short} is not held`).toBe('');
    }
  }

  async deploy(version: string, ...words: readonly string[]): Promise<CliResult> {
    return await this.cli(['deploy', this.environment, version, ...words]);
  }

  /** Every entry of the journal, with its chain checked. Read here, since a process for each look would slow the hosts down. */
  async journal(): Promise<readonly Entry[]> {
    const folder = join(this.config.journal(this.environment), 'entries');
    const read = await localJournal({ folder, clock: systemClock }).read(0);
    if (!read.ok) throw new Error(`the journal cannot be read: ${JSON.stringify(read.error)}`);
    expect(verifyChain(read.value, sha256Hex)).toBeNull();
    return read.value;
  }

  async kinds(): Promise<readonly EntryKind[]> {
    return (await this.journal()).map((entry) => entry.body.kind);
  }

  /** Bodies of one kind, in order. */
  async entries<K extends EntryKind>(kind: K): Promise<readonly Extract<Entry['body'], { kind: K }>[]> {
    return (await this.journal()).flatMap(({ body }) =>
      body.kind === kind ? [body as Extract<Entry['body'], { kind: K }>] : [],
    );
  }

  /** Hosts that the journal says were asked to change, by short name, once a time. */
  async intended(action: 'upgrade' | 'revert'): Promise<readonly string[]> {
    const names = new Map(this.fleet.hosts.map((host) => [host.id, host.name]));
    return (await this.entries('hosts-intended'))
      .filter((body) => body.action === action)
      .flatMap((body) => body.hosts.map((id) => (names.get(id) ?? id).replace(`${this.environment}-`, '')))
      .sort();
  }

  /** Asserts on the hosts themselves that each of these runs this version, wholly installed, as a service. */
  async expectRunning(version: string, shorts: readonly Short[] = this.all): Promise<void> {
    const agent = await this.fleet.package(version, this.environment);
    for (const short of shorts) {
      expect(await this.host(short).running(), `${short} runs ${version}`).toMatchObject({
        version,
        exeSha256: agent.executableSha256,
        installedVersion: agent.packageVersion,
        packageStatus: 'ii',
        active: 'active',
        enabled: 'enabled',
        processes: 2,
      });
    }
  }

  /** Asserts that nothing of ours lies where temporary things lie. */
  async expectTidy(shorts: readonly Short[] = this.all): Promise<void> {
    for (const short of shorts) {
      const left = await this.host(short).sh(
        'find /tmp /var/tmp /home/ops/.cache /run/rollout -type f ! -name "*lock" 2>/dev/null; ' +
          'find /var/lib/rollout -name "*.tmp" -o -name "*.part" 2>/dev/null; true',
      );
      expect(left, `${short} is tidy`).toBe('');
    }
  }
}

/** For `sees`: a journal entry of this kind was written (and `also` says yes to it). */
export function wrote<K extends EntryKind>(
  kind: K,
  also: (body: Extract<Entry['body'], { kind: K }>) => boolean = () => true,
): (line: CliEvent) => boolean {
  return (line) => {
    const event = line['event'] as { kind?: string; entry?: Entry } | undefined;
    const body = event?.kind === 'recorded' ? event.entry?.body : undefined;
    return body?.kind === kind && also(body as Extract<Entry['body'], { kind: K }>);
  };
}

/** For `sees`: it waits, or is held, for this reason. */
export function waitsFor(code: string): (line: CliEvent) => boolean {
  return (line) => {
    const event = line['event'] as { kind?: string; reason?: { code?: string } } | undefined;
    return event?.kind === 'waiting' && event.reason?.code === code;
  };
}

/** What a command said, for a failed assertion. */
export function said(result: Pick<CliResult, 'code' | 'stdout' | 'stderr'>): string {
  return `exit ${result.code}\nstdout:\n${result.stdout}\nstderr:\n${result.stderr}`;
}
