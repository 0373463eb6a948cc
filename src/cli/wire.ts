/** Wires one environment: the only place that knows which adapter stands behind which port. */

import { systemClock } from '../adapters/clock/system-clock.ts';
import { sha256Hex } from '../adapters/local-journal/chain.ts';
import { localJournal } from '../adapters/local-journal/local-journal.ts';
import { localLease } from '../adapters/local-lease/local-lease.ts';
import { createLocalStore } from '../adapters/local-store/local-store.ts';
import { prometheusMetrics } from '../adapters/prometheus/prometheus-metrics.ts';
import { secretReader } from '../adapters/secrets/secret-reader.ts';
import { createHostPrograms } from '../adapters/ssh/programs.ts';
import { createSshRemote } from '../adapters/ssh/remote.ts';
import { staticInventory } from '../adapters/static-inventory/static-inventory.ts';
import type { Environment } from '../domain/environment.ts';
import type { Tell } from '../domain/event.ts';
import type { Actor } from '../domain/journal.ts';
import { ok } from '../domain/result.ts';
import type { EngineContext } from '../engine/context.ts';
import type { Invocation } from './invocation.ts';

export function actorOf({ user, hostname, commandLine, env }: Invocation): Actor {
  const ciJob = env.CI_JOB_URL ?? env.BUILD_URL ?? githubJob(env);
  return { user, hostname, command: commandLine, ...(ciJob === undefined ? {} : { ciJob }) };
}

function githubJob(env: Invocation['env']): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository, GITHUB_RUN_ID: run } = env;
  return server === undefined || repository === undefined || run === undefined
    ? undefined
    : `${server}/${repository}/actions/runs/${run}`;
}

export function wireEnvironment(environment: Environment, invocation: Invocation, tell: Tell): EngineContext {
  const clock = systemClock;
  const secrets = secretReader(invocation.env);
  const agentSocket = invocation.env.SSH_AUTH_SOCK;
  const folder = environment.journal.path;
  return {
    environment,
    journal: localJournal({ folder: `${folder}/entries`, clock }),
    lease: localLease({
      folder: `${folder}/lease`,
      clock,
      hostname: invocation.hostname,
      pid: invocation.pid,
    }),
    store: createLocalStore({ folder: environment.artifacts.path, environment: environment.name }),
    inventory: staticInventory(environment.inventory.hosts, clock),
    remote: createSshRemote({
      settings: environment.ssh,
      secrets,
      programs: createHostPrograms(),
      clock,
      ...(agentSocket === undefined ? {} : { agentSocket }),
    }),
    metrics: prometheusMetrics({
      ...environment.prometheus,
      url: () => Promise.resolve(ok(environment.prometheus.url)),
      secrets,
      clock,
    }),
    clock,
    digest: sha256Hex,
    tell,
    actor: actorOf(invocation),
  };
}
