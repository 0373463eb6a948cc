/**
 * An environment with everything the engine reaches made of fakes, and processes that can be killed at any port call.
 *
 * A killed process is silent for ever: whatever it waits for never comes, so no `finally` of it runs, as with kill -9.
 */
import type { Artifact } from '../../src/domain/artifact.ts';
import type { GceInventorySettings } from '../../src/domain/cloud.ts';
import type { Environment } from '../../src/domain/environment.ts';
import type { EngineEvent } from '../../src/domain/event.ts';
import { foldEntries } from '../../src/domain/fold.ts';
import type { Host } from '../../src/domain/host.ts';
import type { Entry, EntryBody } from '../../src/domain/journal.ts';
import type { GatePolicy, RolloutPolicy } from '../../src/domain/policy.ts';
import type { EnvironmentState, RolloutState } from '../../src/domain/state.ts';
import type { EngineContext, Refusal } from '../../src/engine/context.ts';
import { preparePlan } from '../../src/engine/prepare-plan.ts';
import { type RequestKind, request } from '../../src/engine/requests.ts';
import { type RunEnd, type RunOptions, runRollout } from '../../src/engine/run-rollout.ts';
import {
  beginRollout,
  readQuarantine,
  readState,
  type StartRequest,
} from '../../src/engine/start-rollout.ts';
import { type Fleet, memoryFleet, never } from '../fakes/fleet.ts';
import type { VersionBehaviour } from '../fakes/fleet-host.ts';
import { sha256, someActor } from '../fakes/journal-entries.ts';
import { SOME_LIFECYCLE } from '../fakes/lifecycle-settings.ts';
import { type MemoryJournal, memoryJournal } from '../fakes/memory-journal.ts';
import { type MemoryLeases, memoryLeases } from '../fakes/memory-lease.ts';
import { type MemoryMetrics, memoryMetrics } from '../fakes/memory-metrics.ts';
import { type MemoryStore, memoryStore } from '../fakes/memory-store.ts';
import { type SimClock, simClock } from '../fakes/sim-clock.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';

export const OLD = '5.10.1';
export const NEW = '5.10.2';

export const GCE: GceInventorySettings = {
  kind: 'gce',
  projects: ['p'],
  roleLabel: 'role',
  address: '{internal}',
  publishedHostKeys: true,
  instanceCheck: true,
  credentials: {},
};

export const gate = (name: string, more: Partial<GatePolicy>): GatePolicy => ({
  name,
  query: `${name}{$label=~"$hosts"}`,
  unit: 'cores',
  direction: 'above',
  limit: 0.1,
  windowMs: 10_000,
  forMs: 10_000,
  ...more,
});

/** How far the signal `restarts` looks back, ms, and how far apart the scrapes of `scraped` are. */
export const RESTARTS_WINDOW_MS = 30_000;
export const SCRAPE_MS = 15_000;

export const somePolicy: RolloutPolicy = {
  agent: {
    package: 'osquery',
    service: 'osqueryd',
    executable: '/opt/osquery/bin/osqueryd',
    process: 'osqueryd',
  },
  waves: {
    strata: ['role'],
    then: [{ kind: 'percent', percent: 50 }],
    maxUnavailable: {
      environment: { kind: 'percent', percent: 50 },
      zone: { kind: 'percent', percent: 100 },
      role: { kind: 'percent', percent: 100 },
    },
  },
  limits: {
    failedHosts: 0,
    unreachableHosts: 0,
    hostDeadlineMs: 60_000,
    retryEveryMs: 10_000,
    rollbackDeadlineMs: 120_000,
  },
  soakMs: 30_000,
  bakeMs: 60_000,
  sampleEveryMs: 5_000,
  sampleDelayMs: 1_000,
  gates: [gate('cpu', {}), gate('alive', { unit: 'processes', direction: 'below', limit: 1, forMs: 5_000 })],
  approval: 'none',
  proveMs: 3_000,
  stepTimeouts: { lookMs: 10_000, upgradeMs: 40_000, revertMs: 40_000, proveMs: 20_000 },
};

/** `web-1` .. in three zones, roles in turn. */
export function someHosts(count: number, roles: readonly string[] = ['web', 'db'], prefix = 'h'): Host[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `${index + 1}`,
    name: `${prefix}${index + 1}`,
    address: `10.0.0.${index + 1}`,
    zone: `z${(index % 3) + 1}`,
    role: roles[index % roles.length] ?? 'web',
    machineType: 'n1',
    os: 'debian-12',
    status: 'RUNNING' as const,
    labels: {},
    tags: [],
    metadata: {},
    spot: false,
  }));
}

export interface WorldOptions {
  readonly name?: string;
  readonly promotesFrom?: string;
  readonly hosts?: readonly Host[];
  readonly policy?: Partial<RolloutPolicy>;
  /** What NEW does. */
  readonly behaviour?: Omit<VersionBehaviour, 'version'>;
  readonly clock?: SimClock;
  /** Compute Engine: whoever has an address answers there, and is asked which instance it is. Default false: a list. */
  readonly inCloud?: boolean;
}

/** Asked at every port call of a process: whether it is killed before or after it. */
export type KillPlan = (call: string, count: number) => 'before' | 'after' | null;

export interface Process {
  readonly context: EngineContext;
  readonly pid: number;
  readonly isAlive: () => boolean;
  die(): void;
  /** Settles when it is killed. */
  readonly death: Promise<'killed'>;
  /** Port calls so far. */
  readonly calls: () => number;
}

export interface World {
  readonly clock: SimClock;
  readonly environment: Environment;
  readonly fleet: Fleet;
  readonly journal: MemoryJournal;
  readonly leases: MemoryLeases;
  readonly store: MemoryStore;
  readonly metrics: MemoryMetrics;
  /** Times in which nothing was scraped, of all hosts or of those named. */
  readonly gaps: { readonly from: number; readonly until: number; readonly hosts?: readonly string[] }[];
  readonly events: EngineEvent[];
  /** Called once with every entry that has become durable, also when its writer never hears of it. */
  onDurable: ((entry: Entry, pid: number) => void) | null;
  /** Ids in each process' newest listing; null: it failed. */
  readonly listings: Map<number, ReadonlySet<string> | null>;
  readonly artifacts: { readonly old: Artifact; readonly fresh: Artifact };
  /** Freeze windows may be added by a test. */
  readonly freeze: { from: number; until: number; reason: string }[];
  process(plan?: KillPlan): Process;
  state(): EnvironmentState;
  rollout(): RolloutState;
  /** Of every entry but what the fleet looked like. */
  kinds(): string[];
  bodies<K extends EntryBody['kind']>(kind: K): Extract<EntryBody, { kind: K }>[];
  /** version by host name, as the hosts' running executables say; '' where nothing runs. */
  running(): Record<string, string>;
}

export function makeWorld(options: WorldOptions = {}): World {
  const clock = options.clock ?? simClock();
  const name = options.name ?? 'gstg';
  const artifact = (version: string): Artifact =>
    artifactOf(`${name} ${version}`, { environment: name, version });
  const artifacts = { old: artifact(OLD), fresh: artifact(NEW) };
  const behaviours = new Map<string, VersionBehaviour>([
    [artifacts.old.executable.sha256, { version: OLD }],
    [artifacts.fresh.executable.sha256, { version: NEW, ...options.behaviour }],
  ]);
  const hosts = options.hosts ?? someHosts(6);
  const fleet = memoryFleet({
    hosts,
    from: { version: artifacts.old.control.version, executable: artifacts.old.executable.sha256 },
    behaviours,
    clock: clock.others,
    byAddress: options.inCloud === true,
  });
  const gaps: World['gaps'][number][] = [];
  const metrics = memoryMetrics({
    label: 'fqdn',
    read(signal, hostName, at) {
      const host = fleet.named(hostName);
      if (host === undefined || fleet.cutOff.has(host.host.id)) return undefined;
      if (fleet.vanished.has(host.host.id) || fleet.deleted.has(host.host.id)) return undefined;
      if (gaps.some((gap) => gap.from <= at && at < gap.until && (gap.hosts?.includes(hostName) ?? true)))
        return undefined;
      // Asked by a clock that is ahead.
      if (at > clock.others.now()) return undefined;
      const isUp = host.runningAt(at) !== '';
      if (signal === 'restarts') return host.startsIn(at - RESTARTS_WINDOW_MS, at);
      // The newest scrape, not the newest truth.
      if (signal === 'scraped') return host.runningAt(at - (at % SCRAPE_MS)) === '' ? 0 : 1;
      if (signal === 'alive') return isUp ? 1 : 0;
      return isUp ? (host.behaviourAt(at)?.cpu ?? 0.02) : 0;
    },
  });
  const freeze: World['freeze'] = [];
  const environment: Environment = {
    name,
    description: 'a fleet in memory',
    file: `/environments/${name}.yaml`,
    promotesFrom: options.promotesFrom ?? null,
    inventory: options.inCloud === true ? GCE : { kind: 'static', hosts },
    artifacts: { kind: 'local', path: '/artifacts' },
    journal: { kind: 'local', path: '/journal' },
    architectures: ['amd64'],
    ssh: {
      user: 'root',
      port: 22,
      identityFiles: [],
      agent: false,
      knownHosts: [],
      jump: [],
      proxyCommand: [],
      osLogin: false,
      connectTimeoutMs: 1,
      commandTimeoutMs: 1,
      idleTimeoutMs: 1,
      keepaliveMs: 1,
      concurrency: 64,
    },
    prometheus: {
      url: 'http://127.0.0.1:9090',
      auth: { kind: 'none' },
      timeoutMs: 1_000,
      parameters: {},
      hostLabel: 'fqdn',
      hostValue: '{name}',
      matchers: '',
    },
    coverageTarget: 100,
    targeting: { include: 'true', exempt: [], eligible: [] },
    policy: { ...somePolicy, ...options.policy },
    freeze,
    lifecycle: SOME_LIFECYCLE,
    confirm: 'yes-no',
  };
  const journal = memoryJournal();
  const leases = memoryLeases(clock, 30_000);
  const store = memoryStore(name, [artifacts.old, artifacts.fresh]);
  const events: EngineEvent[] = [];
  let pids = 0;
  let durable = 0;

  const world: World = {
    clock,
    environment,
    fleet,
    journal,
    leases,
    store,
    metrics,
    gaps,
    events,
    onDurable: null,
    listings: new Map(),
    artifacts,
    freeze,
    process(plan) {
      pids += 1;
      const pid = pids;
      let alive = true;
      let calls = 0;
      let killed = (): void => undefined;
      const death = new Promise<'killed'>((resolve) => {
        killed = () => resolve('killed');
      });
      const die = (): void => {
        alive = false;
        killed();
      };
      const isAlive = (): boolean => alive;
      const guard = async <T>(call: string, go: () => Promise<T>): Promise<T> => {
        if (!alive) return never();
        calls += 1;
        const when = plan?.(call, calls) ?? null;
        if (when === 'before') die();
        if (!alive) return never();
        const value = await go();
        if (when === 'after') die();
        return alive ? value : never();
      };
      const remote = fleet.remoteOf(pid, isAlive);
      const lease = leases.of(pid);
      const context: EngineContext = {
        environment,
        journal: {
          read: (after) => guard('journal.read', () => journal.read(after)),
          append: (entry) =>
            guard('journal.append', async () => {
              const appended = await journal.append(entry);
              for (; durable < journal.entries.length; durable += 1) {
                const written = journal.entries[durable];
                if (written !== undefined) world.onDurable?.(written, pid);
              }
              return appended;
            }),
        },
        lease: {
          ttlMs: lease.ttlMs,
          holder: () => lease.holder(),
          acquire: (actor, how) =>
            guard('lease.acquire', async () => {
              const got = await lease.acquire(actor, how);
              if (!got.ok) return got;
              const held = got.value;
              return {
                ...got,
                value: {
                  ...held,
                  renew: () => guard('lease.renew', () => held.renew()),
                  release: () => guard('lease.release', () => held.release()),
                },
              };
            }),
        },
        store: {
          publish: (one, open) => store.publish(one, open),
          list: () => guard('store.list', () => store.list()),
          verify: (one) => guard('store.verify', () => store.verify(one)),
          sourceOf: (one) => store.sourceOf(one),
        },
        inventory: {
          list: () =>
            guard('inventory.list', async () => {
              const listed = await fleet.inventory.list();
              world.listings.set(pid, listed.ok ? new Set(listed.value.hosts.map(({ id }) => id)) : null);
              return listed;
            }),
        },
        remote: {
          run: (host, job, signal) =>
            guard(`remote.${job.order.program}`, () => remote.run(host, job, signal)),
          close: () => remote.close(),
        },
        metrics: { range: (query) => guard('metrics.range', () => metrics.range(query)) },
        clock: {
          now: clock.now,
          sleep: async (ms, signal) => {
            await clock.sleep(ms, signal);
            if (!alive) await never();
          },
        },
        digest: sha256,
        tell: (event) => {
          if (alive) events.push(event);
        },
        actor: someActor,
      };
      return { context, pid, isAlive, die, death, calls: () => calls };
    },
    state: () => foldEntries(journal.entries),
    rollout() {
      const { rollout } = world.state();
      if (rollout === null) throw new Error('there is no rollout');
      return rollout;
    },
    kinds: () => journal.entries.map(({ body }) => body.kind).filter((kind) => kind !== 'fleet-seen'),
    bodies: (kind) =>
      journal.entries.flatMap(({ body }) =>
        body.kind === kind ? [body as Extract<EntryBody, { kind: typeof kind }>] : [],
      ),
    running: () =>
      Object.fromEntries(
        [...fleet.hosts.values()].map((host) => [
          host.host.name,
          behaviours.get(host.running)?.version ?? '',
        ]),
      ),
  };
  return world;
}

export type Ended = RunEnd | 'killed' | { readonly kind: 'refused'; readonly refusals: readonly Refusal[] };

export interface HowToRun {
  readonly mode?: RunOptions['mode'];
  readonly holdLimitMs?: number;
  readonly signal?: AbortSignal;
}

const FOREGROUND = { mode: 'foreground', holdLimitMs: 600_000 } as const;

/** What `rollout deploy`, `promote` and `canary` do. */
export async function begin(
  { context, death }: Process,
  start: Partial<StartRequest> = {},
  how: HowToRun = {},
): Promise<Ended> {
  const asked: StartRequest = { kind: 'deploy', version: NEW, reason: 'a test', ...start };
  const run = async (): Promise<Ended> => {
    const state = await readState(context);
    if (!state.ok) return { kind: 'refused', refusals: [state.error] };
    const quarantine = await readQuarantine(asked.line ?? [context]);
    if (!quarantine.ok) return { kind: 'refused', refusals: [quarantine.error] };
    const prepared = await preparePlan(context, {
      version: asked.version,
      quarantine: quarantine.value,
      ...(asked.kind === 'canary' ? { canaryOnly: true } : {}),
      ...(asked.kind === 'rollback' ? { singleWave: true } : {}),
    });
    if (!prepared.ok) return { kind: 'refused', refusals: [prepared.error] };
    if (prepared.value.blockers.length > 0) return { kind: 'refused', refusals: prepared.value.blockers };
    const refusals: Refusal[] = [];
    const end = await runRollout(context, {
      ...FOREGROUND,
      ...how,
      signal: how.signal ?? new AbortController().signal,
      begin: beginRollout(
        context,
        { after: state.value.rollout?.id ?? null, ...asked },
        prepared.value,
        (refusal) => refusals.push(refusal),
      ),
    });
    return refusals.length > 0 ? { kind: 'refused', refusals } : end;
  };
  return Promise.race([run(), death]);
}

/** What `rollout advance` does, or any command that carries the present rollout on. */
export function carryOn({ context, death }: Process, how: HowToRun = {}): Promise<Ended> {
  return Promise.race([
    runRollout(context, { ...FOREGROUND, ...how, signal: how.signal ?? new AbortController().signal }),
    death,
  ]);
}

/** What `rollout pause`, `resume`, `approve`, `abort` and `rollback` write. */
export function ask(world: World, kind: RequestKind, reason = 'a test'): ReturnType<typeof request> {
  return request(world.process().context, kind, reason);
}
