/** From what was written and checked to what the engine and the wiring work with: paths absolute, playbooks laid underneath. Pure. */
import type { GceInventorySettings, GcsPlace, GoogleCredentials } from '../domain/cloud.ts';
import type { PrometheusSettings, SecretRef, SshSettings } from '../domain/connection.ts';
import { parseDuration } from '../domain/duration.ts';
import type { ChangeRule, Environment, StaticInventorySettings, Targeting } from '../domain/environment.ts';
import type { Host } from '../domain/host.ts';
import type { RolloutPolicy, StepTimeouts } from '../domain/policy.ts';
import { expandPath, type PathBase } from './paths.ts';
import { resolveGates } from './resolve-gate.ts';
import { resolveLifecycle } from './resolve-lifecycle.ts';
import { resolveWitnesses } from './resolve-witnesses.ts';
import { type EnvironmentWritten, environmentSchema, type HostWritten } from './schema/environment.ts';
import { prometheusSchema } from './schema/fleet.ts';
import {
  type Action,
  DEFAULT_TIMEOUTS,
  type PlaybookAction,
  type PlaybookWritten,
  type Program,
} from './schema/playbook.ts';
import { readKey } from './schema-walk.ts';
import { has, isMap } from './written-shape.ts';

/** A playbook that was read and checked, with its text as it was written, to be laid under environments. */
export interface Playbook {
  readonly action: PlaybookAction;
  readonly file: string;
  readonly written: PlaybookWritten;
  readonly raw: unknown;
}

export type Playbooks = Readonly<Partial<Record<Action, Playbook>>>;

export interface Resolving {
  readonly base: PathBase;
  /** The environment as it was written, without defaults. */
  readonly raw: unknown;
  readonly written: EnvironmentWritten;
  readonly playbooks: Playbooks;
  /** From the file itself or from the one it names. */
  readonly hosts: readonly HostWritten[];
  readonly prometheusUrl: string;
}

/** The environment with the policy of `action`. */
export function resolveEnvironment(from: Resolving, action: Action): Environment {
  const { base, written } = from;
  const witnesses = resolveWitnesses(written.witnesses, base);
  return {
    name: written.environment,
    description: written.description,
    file: base.file,
    promotesFrom: written.promotesFrom,
    inventory:
      written.inventory.kind === 'gce'
        ? resolveGce(written.inventory, base)
        : resolveStatic(written.inventory, from),
    artifacts:
      written.artifacts.kind === 'gcs'
        ? {
            ...resolveGcs(written.artifacts, base),
            delivery: written.artifacts.delivery,
            ...(written.artifacts.fetchFrom === undefined
              ? {}
              : { fetchFrom: written.artifacts.fetchFrom.replace(/\/+$/, '') }),
          }
        : { kind: 'local', path: expandPath(written.artifacts.path, base) },
    journal:
      written.journal.kind === 'gcs'
        ? resolveGcs(written.journal, base)
        : { kind: 'local', path: expandPath(written.journal.path, base) },
    architectures: written.agent.architectures,
    ssh: resolveSsh(written.ssh, base),
    prometheus: resolvePrometheus(written.prometheus ?? NO_PROMETHEUS, from.prometheusUrl, base),
    probe: {
      hosts: written.probe.hosts,
      sampleMs: written.probe.sample,
      everyMs: written.probe.every,
    },
    targeting: resolveTargeting(written.targeting),
    coverageTarget: written.coverage.target,
    policy: resolvePolicy(from, action),
    lifecycle: resolveLifecycle(written, base),
    freeze: written.freeze,
    maintenance: written.maintenance.map(({ from: fromMinute, until: untilMinute, ...rest }) => ({
      ...rest,
      fromMinute,
      untilMinute,
    })),
    change: resolveChange(written.change),
    confirm: written.confirm,
    ...(witnesses === undefined ? {} : { witnesses }),
  };
}

function resolveChange({ required, pattern }: EnvironmentWritten['change']): ChangeRule {
  return pattern === undefined ? { required } : { required, pattern };
}

function resolvePacing(written: EnvironmentWritten['pacing']): Pick<RolloutPolicy, 'pacing'> {
  if (written === undefined) return {};
  const { config, logger, distributed, enrolsAtStart, budget, agents, waveWithin } = written;
  return {
    pacing: {
      intervals: {
        ...(config === undefined ? {} : { configMs: config }),
        ...(logger === undefined ? {} : { loggerMs: logger }),
        ...(distributed === undefined ? {} : { distributedMs: distributed }),
      },
      enrolsAtStart,
      budgetPerS: budget,
      waveWithinMs: waveWithin,
      ...(agents === undefined ? {} : { agents }),
    },
  };
}

function resolveStatic(
  { file }: Written<'inventory', 'static'>,
  { hosts, base }: Resolving,
): StaticInventorySettings {
  const list = file === undefined ? {} : { file: expandPath(file, base) };
  return { kind: 'static', hosts: hosts.map(resolveHost), ...list };
}

type Written<K extends 'inventory' | 'artifacts' | 'journal', Kind> = Extract<
  EnvironmentWritten[K],
  { kind: Kind }
>;

function resolveCredentials(
  { keyFile, impersonate }: Written<'inventory', 'gce'>['credentials'],
  base: PathBase,
): GoogleCredentials {
  return {
    ...(keyFile === undefined ? {} : { keyFile: expandPath(keyFile, base) }),
    ...(impersonate === undefined ? {} : { impersonate }),
  };
}

function resolveGce(gce: Written<'inventory', 'gce'>, base: PathBase): GceInventorySettings {
  return {
    kind: 'gce',
    projects: [...new Set(gce.projects)],
    ...(gce.zones === undefined ? {} : { zones: gce.zones }),
    ...(gce.filter === undefined ? {} : { filter: gce.filter }),
    roleLabel: gce.roleLabel,
    address: gce.address,
    publishedHostKeys: gce.hostKeys === 'guest-attributes',
    instanceCheck: gce.instanceCheck,
    credentials: resolveCredentials(gce.credentials, base),
  };
}

function resolveGcs(
  { bucket, prefix, project, credentials }: Written<'artifacts' | 'journal', 'gcs'>,
  base: PathBase,
): GcsPlace {
  return {
    kind: 'gcs',
    bucket,
    prefix: prefix ?? '',
    ...(project === undefined ? {} : { project }),
    credentials: resolveCredentials(credentials, base),
  };
}

function resolveHost(host: HostWritten): Host {
  const { port, ...rest } = host;
  return port === undefined ? rest : { ...rest, port };
}

function secretRef(env: string | undefined, file: string | undefined, base: PathBase): SecretRef | null {
  if (env !== undefined) return { kind: 'env', name: env };
  return file === undefined ? null : { kind: 'file', path: expandPath(file, base) };
}

function resolveSsh(ssh: EnvironmentWritten['ssh'], base: PathBase): SshSettings {
  const passphrase = secretRef(ssh.passphraseEnv, ssh.passphraseFile, base);
  return {
    user: ssh.user ?? '',
    osLogin: ssh.osLogin,
    port: ssh.port,
    identityFiles: ssh.identityFiles.map((file) => expandPath(file, base)),
    ...(passphrase === null ? {} : { passphrase }),
    agent: ssh.agent,
    knownHosts: ssh.knownHosts.map((file) => expandPath(file, base)),
    jump: ssh.jump.map((text) => resolveJump(text, ssh.user ?? '')),
    proxyCommand: ssh.proxyCommand.map((word, index) => (index === 0 ? resolveProgram(word, base) : word)),
    connectTimeoutMs: ssh.connectTimeout,
    commandTimeoutMs: ssh.commandTimeout,
    idleTimeoutMs: ssh.idleTimeout,
    keepaliveMs: ssh.keepalive,
    concurrency: ssh.concurrency,
  };
}

/** A bare name is looked for on the PATH; one with a slash is a path like any other here. */
function resolveProgram(word: string, base: PathBase): string {
  return word.includes('/') ? expandPath(word, base) : word;
}

function resolveJump(text: string, defaultUser: string): SshSettings['jump'][number] {
  const match = /^(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  return {
    user: match?.[1] ?? defaultUser,
    host: match?.[2] ?? match?.[3] ?? text,
    port: Number(match?.[4] ?? 22),
  };
}

/** Nobody asks it: what is left out has no queries. */
const NO_PROMETHEUS = prometheusSchema.parse({});

function resolvePrometheus(
  written: NonNullable<EnvironmentWritten['prometheus']>,
  url: string,
  base: PathBase,
): PrometheusSettings {
  const token = secretRef(written.tokenEnv, written.tokenFile, base);
  const password = secretRef(written.passwordEnv, written.passwordFile, base);
  const basic =
    written.username !== undefined && password !== null ? { username: written.username, password } : null;
  return {
    url: url.replace(/\/+$/, ''),
    auth:
      token !== null
        ? { kind: 'bearer', token }
        : basic !== null
          ? { kind: 'basic', ...basic }
          : { kind: 'none' },
    ...(written.caFile === undefined ? {} : { caFile: expandPath(written.caFile, base) }),
    timeoutMs: written.timeout,
    parameters: written.parameters,
    ...(written.tenant === undefined ? {} : { tenant: written.tenant }),
    hostLabel: written.hostLabel,
    hostValue: written.hostValue,
    matchers: written.matchers.trim(),
  };
}

function resolveTargeting(written: EnvironmentWritten['targeting']): Targeting {
  return { include: written.include, exempt: written.exempt, eligible: written.eligible };
}

/** Environment over playbook over built-in default, key by key; a list counts as one key. */
function resolvePolicy(from: Resolving, action: Action): RolloutPolicy {
  // What puts hosts back has its own playbook, also where it is a verdict that does.
  const database = readKey(from.playbooks.rollback?.raw, 'database');
  const merged = environmentSchema.parse({
    ...(database === undefined ? {} : { database }),
    ...layered(from.raw, from.playbooks[action]?.raw),
  });
  const { architectures: _, ...agent } = merged.agent;
  return {
    agent,
    waves: merged.waves,
    limits: {
      failedHosts: merged.limits.failedHosts,
      unreachableHosts: merged.limits.unreachableHosts,
      hostDeadlineMs: merged.limits.hostDeadline,
      retryEveryMs: merged.limits.retryEvery,
      rollbackDeadlineMs: merged.limits.rollbackDeadline,
    },
    soakMs: merged.soak,
    bakeMs: merged.bake,
    sampleEveryMs: merged.sampleEvery,
    // A host that is asked itself tells of now.
    sampleDelayMs: merged.prometheus?.delay ?? 0,
    gates: resolveGates(merged.gates, {
      hasPrometheus: has(from.raw, 'prometheus'),
      areWritten: has(from.raw, 'gates') || has(from.playbooks[action]?.raw, 'gates'),
      witnesses: readKey(from.raw, 'witnesses'),
    }),
    // Whoever asks for a second person asks for an approval.
    approval:
      merged.approvedBy === 'second-person' && !has(from.raw, 'approval') ? 'after-canary' : merged.approval,
    ...(merged.approvedBy === 'anybody' ? {} : { approvedBy: merged.approvedBy }),
    ...resolvePacing(merged.pacing),
    proveMs: merged.prove,
    ...armedRevertOf(merged, action),
    database: merged.database,
    consecutiveErrors: merged.consecutiveErrors,
    stepTimeouts: stepTimeouts(from.playbooks, action),
  };
}

/** A rollback to a version is itself the way back: nothing is armed. */
function armedRevertOf(
  { revertTimer, guard }: EnvironmentWritten,
  action: Action,
): Pick<RolloutPolicy, 'armedRevert'> {
  if (revertTimer === 'none' || action === 'rollback') return {};
  const { cpuQuota, memoryMax }: Exclude<typeof guard, 'none'> = guard === 'none' ? {} : guard;
  const limits = {
    ...(cpuQuota === undefined ? {} : { cpuQuotaPercent: cpuQuota }),
    ...(memoryMax === undefined ? {} : { memoryMaxBytes: memoryMax }),
  };
  const { after: afterMs, disarm } = revertTimer;
  return {
    armedRevert: { afterMs, disarm, ...(Object.keys(limits).length === 0 ? {} : { guard: limits }) },
  };
}

function layered(environment: unknown, playbook: unknown): object {
  const own = environment as Readonly<Record<string, unknown>>;
  const under: Record<string, unknown> = {};
  for (const key of ['soak', 'gates', 'database']) {
    const value = readKey(playbook, key);
    if (value !== undefined) under[key] = value;
  }
  const waves = { ...mapAt(playbook, 'waves'), ...mapAt(own, 'waves') };
  const maxUnavailable = {
    ...mapAt(mapAt(playbook, 'waves'), 'maxUnavailable'),
    ...mapAt(mapAt(own, 'waves'), 'maxUnavailable'),
  };
  const timers: Record<string, unknown> = {};
  for (const key of ['revertTimer', 'guard']) {
    const value = own[key] ?? readKey(playbook, key);
    if (value === undefined) continue;
    timers[key] = isMap(value) ? { ...mapAt(playbook, key), ...mapAt(own, key) } : value;
  }
  return { ...under, ...own, ...timers, waves: { ...waves, maxUnavailable } };
}

export function mapAt(value: unknown, key: string): object {
  const found = readKey(value, key);
  return typeof found === 'object' && found !== null ? found : {};
}

/** The package is delivered on the connection of the change, so that its time is part of the change's. */
function stepTimeouts(playbooks: Playbooks, action: Action): StepTimeouts {
  const forward = playbooks[action === 'rollback' ? 'upgrade' : action] ?? playbooks.upgrade;
  const back = playbooks.rollback;
  return {
    lookMs: timeoutOf(forward, 'look'),
    upgradeMs: timeoutOf(forward, 'deliver') + timeoutOf(forward, 'upgrade'),
    revertMs: timeoutOf(forward, 'deliver') + timeoutOf(back, 'revert'),
    proveMs: timeoutOf(forward, 'prove'),
  };
}

export function timeoutOf(playbook: Playbook | undefined, program: Program): number {
  const written = playbook?.written.steps.find((step) => step.run === program)?.timeout;
  if (written !== undefined) return written;
  const fallback = parseDuration(DEFAULT_TIMEOUTS[program]);
  return fallback.ok ? fallback.value : 0;
}
