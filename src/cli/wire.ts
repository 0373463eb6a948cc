/** Wires one environment: the only place that knows which adapter stands behind which port. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../adapters/clock/system-clock.ts';
import { lastInventory } from '../adapters/last-inventory/last-inventory.ts';
import { rememberListings } from '../adapters/last-inventory/remember-listings.ts';
import { sha256Hex } from '../adapters/local-journal/chain.ts';
import { localJournal } from '../adapters/local-journal/local-journal.ts';
import { localLease } from '../adapters/local-lease/local-lease.ts';
import { localOutbox } from '../adapters/local-outbox/local-outbox.ts';
import { createLocalStore } from '../adapters/local-store/local-store.ts';
import { prometheusMetrics } from '../adapters/prometheus/prometheus-metrics.ts';
import { secretReader } from '../adapters/secrets/secret-reader.ts';
import { createHostPrograms } from '../adapters/ssh/programs.ts';
import type { SshRemoteOptions } from '../adapters/ssh/remote.ts';
import { staticInventory } from '../adapters/static-inventory/static-inventory.ts';
import type { Environment } from '../domain/environment.ts';
import type { Tell } from '../domain/event.ts';
import type { Actor } from '../domain/journal.ts';
import { fleetIdentity, journalPlace } from '../domain/kept-for.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { EngineContext, LifecycleContext } from '../engine/context.ts';
import type { ArtifactStore } from '../ports/artifact-store.ts';
import type { HostKeySource } from '../ports/host-keys.ts';
import type { Inventory } from '../ports/inventory.ts';
import type { LastInventory } from '../ports/last-inventory.ts';
import type { Remote } from '../ports/remote.ts';
import { stateDirOf } from './configuration.ts';
import type { Invocation } from './invocation.ts';
import { lazyRemote, lazyRoleFiles } from './lazy-ports.ts';
import { wireWitnesses } from './wire-witnesses.ts';

export function actorOf({ user, hostname, commandLine, env }: Invocation): Actor {
  const ciJob = env.CI_JOB_URL ?? env.BUILD_URL ?? githubJob(env);
  const person =
    ciJob === undefined ? undefined : (env.GITLAB_USER_LOGIN ?? env.GITHUB_ACTOR ?? env.BUILD_USER_ID);
  return {
    user,
    hostname,
    command: commandLine,
    ...(ciJob === undefined ? {} : { ciJob }),
    ...(person === undefined || person === '' ? {} : { person }),
  };
}

function githubJob(env: Invocation['env']): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = env;
  return server === undefined || repository === undefined || run === undefined
    ? undefined
    : `${server}/${repository}/actions/runs/${run}`;
}

export type GoogleWiring = typeof import('./wire-google.ts');

export interface WireOptions {
  /** Null: nothing of the environment is in Google Cloud. */
  readonly google?: GoogleWiring | null;
  /** As many connections at once as an emergency may have, instead of `ssh.concurrency`. */
  readonly wide?: boolean;
  /** Why there is no list of hosts to go by: the inventory answers with it instead. */
  readonly whyNoHosts?: string | null;
  /** Why metrics cannot be asked: they answer with it instead. */
  readonly whyNoMetrics?: string | null;
}

export function wireEnvironment(
  environment: Environment,
  invocation: Invocation,
  tell: Tell,
  { google = null, wide = false, whyNoHosts = null, whyNoMetrics = null }: WireOptions = {},
): LifecycleContext {
  const clock = systemClock;
  const secrets = secretReader(invocation.env);
  const agentSocket = invocation.env.SSH_AUTH_SOCK;
  const { ssh, lifecycle } = environment;
  return {
    environment,
    ...wireRecord(environment, invocation, google),
    store: wireStore(environment, invocation, google),
    ...wireFallbacks(environment, invocation, google, whyNoHosts),
    remote: wireRemote({
      settings: wide ? { ...ssh, concurrency: lifecycle.concurrency } : ssh,
      secrets,
      programs: createHostPrograms(),
      clock,
      ...(agentSocket === undefined ? {} : { agentSocket }),
      ...wireIdentity(environment, invocation, google),
    }),
    ...wireWitnesses(environment, invocation),
    metrics: prometheusMetrics({
      ...environment.prometheus,
      url: () => Promise.resolve(whyNoMetrics === null ? ok(environment.prometheus.url) : err(whyNoMetrics)),
      secrets,
      clock,
    }),
    clock,
    digest: sha256Hex,
    tell,
    actor: actorOf(invocation),
  };
}

/** Runs as it is from src, and compiled from dist. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './ssh-thread.ts' : './ssh-thread.js',
  import.meta.url,
);

function wireRemote(options: SshRemoteOptions): Remote {
  return lazyRemote(async () => {
    const [{ createSshRemote }, { spreadRemote }] = await Promise.all([
      import('../adapters/ssh/remote.ts'),
      import('../adapters/ssh/spread.ts'),
    ]);
    const here = createSshRemote(options);
    return spreadRemote({ ...options, here, module: THREAD, cores: availableParallelism() });
  });
}

/** Is any of it in Google Cloud? */
export function isOfGoogle({ inventory, artifacts, journal }: Environment): boolean {
  return inventory.kind === 'gce' || artifacts.kind === 'gcs' || journal.kind === 'gcs';
}

function loaded(google: GoogleWiring | null): GoogleWiring {
  if (google === null) throw new Error('bug: nobody has loaded what an environment in Google Cloud needs');
  return google;
}

function wireRecord(
  { journal }: Environment,
  invocation: Invocation,
  google: GoogleWiring | null,
): Pick<EngineContext, 'journal' | 'lease'> {
  if (journal.kind === 'gcs') return loaded(google).googleRecord(journal, invocation);
  const clock = systemClock;
  const { hostname, pid } = invocation;
  return {
    journal: localJournal({ folder: `${journal.path}/entries`, clock }),
    lease: localLease({ folder: `${journal.path}/lease`, clock, hostname, pid }),
  };
}

function wireStore(
  { name, artifacts }: Environment,
  invocation: Invocation,
  google: GoogleWiring | null,
): ArtifactStore {
  if (artifacts.kind === 'gcs') return loaded(google).googleStore(artifacts, name, invocation);
  return createLocalStore({ folder: artifacts.path, environment: name });
}

/** What serves on this machine where the cloud or the journal does not answer; kept by what it is of, not by a name (kept-for.ts). */
function wireFallbacks(
  environment: Environment,
  invocation: Invocation,
  google: GoogleWiring | null,
  whyNoHosts: string | null,
): Pick<LifecycleContext, 'inventory' | 'outbox' | 'lastInventory' | 'roleFiles'> {
  const state = stateDirOf(invocation);
  const { name, journal } = environment;
  const last = wireLastInventory(environment, join(state, 'last-inventory'));
  return {
    inventory:
      whyNoHosts === null
        ? rememberListings(wireInventory(environment, invocation, google), last)
        : withoutList(whyNoHosts),
    lastInventory: last,
    outbox: localOutbox({
      root: join(state, 'outbox'),
      environment: name,
      journal: journalPlace(journal),
      clock: systemClock,
    }),
    roleFiles: lazyRoleFiles(async () => {
      const { roleFiles } = await import('../adapters/role-files/role-files.ts');
      return roleFiles({ env: invocation.env });
    }),
  };
}

function wireLastInventory(environment: Environment, folder: string): LastInventory {
  const fleet = sha256Hex(fleetIdentity(environment)).slice(0, 16);
  return lastInventory(join(folder, `${environment.name}-${fleet}.json`));
}

/** Of a list that is not there or wrong: asking again changes nothing. */
function withoutList(message: string): Inventory {
  return { list: async () => err({ kind: 'invalid', message, retryable: false }) };
}

function wireInventory(
  { inventory }: Environment,
  invocation: Invocation,
  google: GoogleWiring | null,
): Inventory {
  if (inventory.kind === 'gce') return loaded(google).googleInventory(inventory, invocation);
  return staticInventory(inventory.hosts, systemClock);
}

/** Who hosts are, and who we are to them, where the cloud says so. */
function wireIdentity(
  { inventory, ssh }: Environment,
  invocation: Invocation,
  google: GoogleWiring | null,
): { hostKeys?: HostKeySource; userName?: () => Promise<Result<string, string>> } {
  if (inventory.kind !== 'gce') return {};
  const cacheFolder = join(stateDirOf(invocation), 'host-keys');
  return loaded(google).googleIdentity(inventory, ssh.osLogin, cacheFolder, invocation);
}
