/**
 * Does one decided action on a batch of hosts.
 *
 * E1  `hosts-intended` is durable before any host is contacted; each answer is written after.
 * E2  An aborted signal or a lost lease lets running programs finish and begins no new one.
 * E3  What a host answered is a fact: it is written even when somebody else wrote meanwhile.
 * E4  A batch of upgrades is begun host by host, as connections allow. More failures than may be, a request of a person, another
 *     holder of the lease or an armed host that must soon hear from us stop those that have not begun, as E2 does; the next decision
 *     hears why.
 * E5  A host is its instance id: it is reached at the newest address that is known of it, which is not always the plan's.
 */

import { armedRevertOf, isRenewalUrgent } from '../domain/armed.ts';
import { type Artifact, artifactFor } from '../domain/artifact.ts';
import { areTooManyFailed } from '../domain/decide-failed.ts';
import type { Host, HostId } from '../domain/host.ts';
import { driftedSince, inspectionOf, knownStopped, outcomeOf, plainText } from '../domain/host-answer.ts';
import type { ArmOrder, HostOrder, PackageRef } from '../domain/host-order.ts';
import type { HostOutcome } from '../domain/host-outcome.ts';
import type { AnsweredHost, HostAction } from '../domain/journal.ts';
import type { InstalledAgent, PlannedHost } from '../domain/plan.ts';
import { type ArmedRevertPolicy, DATABASE_PATH } from '../domain/policy.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { HostProgress, RolloutState } from '../domain/state.ts';
import type { Clock } from '../ports/clock.ts';
import type { PackageSource, RemoteHost } from '../ports/remote.ts';
import type { EngineContext } from './context.ts';
import type { Ledger, LedgerError } from './ledger.ts';
import { meantInstance } from './meant-instance.ts';
import { pacerOf } from './pacer.ts';

/** Where each host is now, as the inventory says: addresses change hands, and the plan's may be somebody else's (E5). */
export type Addresses = ReadonlyMap<HostId, Pick<Host, 'address' | 'port'>>;

export interface Action {
  readonly action: HostAction;
  readonly hosts: readonly HostId[];
  readonly reason: string;
  /** Whoever is not in it is looked for where the plan says. */
  readonly addresses: Addresses;
}

/** Answers are written in groups of this size while a batch is under way, so that a kill leaves few unknown. */
const ANSWERS_AN_ENTRY = 50;

/** How long apt waits for dpkg's lock before the host counts as blocked, seconds. */
const LOCK_TIMEOUT_S = 30;

/** How often a batch of upgrades looks for what others wrote, ms. */
const POLL_MS = 2_000;

export async function actOnHosts(
  context: EngineContext,
  ledger: Ledger,
  rollout: RolloutState,
  { action, hosts, reason, addresses }: Action,
  signal: AbortSignal,
): Promise<Result<void, LedgerError>> {
  const intent = await ledger.decided({ kind: 'hosts-intended', action, hosts }, reason);
  if (!intent.ok) return intent;
  const fence = intent.value.seq;
  const enough = new AbortController();
  const stop = AbortSignal.any([signal, enough.signal]);
  let failures = 0;
  let unwritten: AnsweredHost[] = [];
  let writing: Promise<Result<unknown, LedgerError>> = Promise.resolve(ok(undefined));
  const flush = (): void => {
    if (unwritten.length === 0) return;
    const answered = unwritten;
    unwritten = [];
    writing = writing.then((before) =>
      before.ok ? ledger.fact({ kind: 'hosts-answered', action, hosts: answered }) : before,
    );
  };
  const look = (): void => {
    // In turn with the answers: the ledger reads and writes one thing at a time. A failure to read is the next writer's to tell.
    writing = writing.then(async (before) => {
      if (before.ok && (await ledger.refresh()).ok && isToldToStop(ledger, rollout, context.clock.now()))
        enough.abort();
      return before;
    });
  };
  const ended = new AbortController();
  const looking = action === 'upgrade' ? lookAgain(context.clock, look, ended.signal) : Promise.resolve();
  const pacer = action === 'upgrade' ? pacerOf(rollout, context.clock) : null;
  await Promise.all(
    hosts.map(async (id) => {
      const progress = rollout.hosts.get(id);
      if (progress === undefined) return;
      await pacer?.turn(stop);
      const to = reachedAt(progress.host, addresses.get(id));
      const answered = await actOnHost(context, rollout, progress, { action, fence, to, signal: stop });
      if (action === 'upgrade' && answered.outcome.kind === 'failed') {
        failures += 1;
        if (areTooManyFailed(rollout, failures)) enough.abort();
      }
      unwritten.push(answered);
      if (unwritten.length >= ANSWERS_AN_ENTRY) flush();
    }),
  );
  ended.abort();
  await looking;
  flush();
  const written = await writing;
  return written.ok ? ok(undefined) : err(written.error);
}

async function lookAgain(clock: Clock, look: () => void, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await clock.sleep(POLL_MS, ended);
    if (!ended.aborted) look();
  }
}

/** E4, by what stands in the journal. */
function isToldToStop(ledger: Ledger, begun: RolloutState, at: number): boolean {
  const now = ledger.state.rollout;
  return (
    ledger.isFenced ||
    now === null ||
    now.stop !== null ||
    now.rollbackRequested ||
    now.phase.kind !== begun.phase.kind ||
    isRenewalUrgent(now, at)
  );
}

interface Attempt {
  readonly action: HostAction;
  readonly fence: number;
  readonly to: RemoteHost;
  readonly signal: AbortSignal;
}

/** E5. A VM that is being made or stopped may have no address at all. */
function reachedAt({ port, ...host }: PlannedHost, now: ReturnType<Addresses['get']>): RemoteHost {
  const place = now === undefined || now.address === '' ? { address: host.address, port } : now;
  return { ...host, address: place.address, ...(place.port === undefined ? {} : { port: place.port }) };
}

async function actOnHost(
  context: EngineContext,
  rollout: RolloutState,
  { host, leftStopped, unheard }: HostProgress,
  { action, fence, to, signal }: Attempt,
): Promise<AnsweredHost> {
  const started = context.clock.now();
  const target = artifactFor(rollout.artifacts, host.architecture);
  const previous = host.from.artifact;
  const environment = context.environment.name;
  let outcome: HostOutcome;
  if (target === undefined || previous === undefined) {
    // Planning never lets such a host into a wave (P4); a journal that says otherwise is not acted on.
    outcome = {
      kind: 'blocked',
      why: 'missing-package',
      message: 'no package, or no way back, for its architecture',
    };
  } else {
    const order = {
      ...orderFor(rollout, action, { target, previous, fence, environment }),
      ...meantInstance(context.environment, host.id),
    };
    const answer = await context.remote.run(
      to,
      {
        order,
        packages: packagesFor(context, action, target, previous),
        timeoutMs: timeoutFor(rollout, action),
        onStep: (step) =>
          context.tell({
            kind: 'host-step',
            environment,
            at: context.clock.now(),
            action,
            host: { id: host.id, name: host.name },
            step,
          }),
      },
      signal,
    );
    if (answer.kind === 'no-answer')
      outcome = { kind: 'no-answer', why: answer.why, message: plainText(answer.message) };
    else {
      const told =
        action === 'inspect' ? inspectionOf(order, answer, packageRef(previous)) : outcomeOf(order, answer);
      const stopped = leftStopped || unheard !== null ? knownStopped(order, answer, told) : told;
      outcome = action === 'prove' ? driftedSince(order, answer, stopped) : stopped;
    }
  }
  const at = context.clock.now();
  const tookMs = at - started;
  context.tell({
    kind: 'host-answered',
    environment,
    at,
    action,
    host: { id: host.id, name: host.name },
    outcome,
    tookMs,
  });
  return { id: host.id, outcome, tookMs };
}

interface OrderParts {
  readonly target: Artifact;
  readonly previous: Artifact;
  readonly fence: number;
  readonly environment: string;
}

function orderFor(rollout: RolloutState, action: HostAction, parts: OrderParts): HostOrder {
  const { agent, proveMs, database } = rollout.policy;
  const armed = armedRevertOf(rollout);
  const target = packageRef(parts.target);
  if (action === 'inspect' || action === 'prove') {
    return { program: 'prove', agent, orderId: orderIdOf(rollout), target, proveMs };
  }
  if (action === 'confirm' || action === 'renew') {
    return {
      program: 'confirm',
      verb: action,
      agent,
      orderId: orderIdOf(rollout),
      environment: parts.environment,
      fence: parts.fence,
      target,
      ...(action === 'renew' && armed !== null ? { revertAfterS: secondsOf(armed.afterMs) } : {}),
    };
  }
  return {
    program: action,
    agent,
    orderId: orderIdOf(rollout),
    fence: parts.fence,
    environment: parts.environment,
    target,
    previous: packageRef(parts.previous),
    proveMs,
    lockTimeoutS: LOCK_TIMEOUT_S,
    ...(database === undefined
      ? {}
      : { database: { policy: database, path: agent.database ?? DATABASE_PATH } }),
    ...(action === 'upgrade' && armed !== null ? { arm: armOrder(armed) } : {}),
  };
}

function armOrder({ afterMs, disarm, guard }: ArmedRevertPolicy): ArmOrder {
  return {
    revertAfterS: secondsOf(afterMs),
    disarm,
    ...(guard?.cpuQuotaPercent === undefined ? {} : { guardCpuPercent: guard.cpuQuotaPercent }),
    ...(guard?.memoryMaxBytes === undefined ? {} : { guardMemoryBytes: guard.memoryMaxBytes }),
  };
}

/** The domain counts on no less. */
function secondsOf(ms: number): number {
  return Math.ceil(ms / 1_000);
}

/** With its time: a journal that was lost or is another machine's begins its numbers anew, and hosts remember for long. */
function orderIdOf(rollout: RolloutState): string {
  return `${rollout.id}-${rollout.plannedAt.toString(36)}`;
}

/** What a host program needs to know of a package. */
export function packageRef(artifact: Artifact): PackageRef {
  return {
    sha256: artifact.sha256,
    size: artifact.size,
    packageVersion: artifact.control.version,
    executablePath: artifact.executable.path,
    executableSha256: artifact.executable.sha256,
  };
}

/** The upgrade brings the way back along, so that a revert needs no delivery when the network is the trouble. */
function packagesFor(
  context: EngineContext,
  action: HostAction,
  target: Artifact,
  previous: InstalledAgent['artifact'],
): PackageSource[] {
  if ((action !== 'upgrade' && action !== 'revert') || previous === undefined) return [];
  const back = context.store.sourceOf(previous);
  return action === 'upgrade' ? [context.store.sourceOf(target), back] : [back];
}

function timeoutFor(rollout: RolloutState, action: HostAction): number {
  const { stepTimeouts, proveMs } = rollout.policy;
  switch (action) {
    case 'upgrade':
      return stepTimeouts.upgradeMs;
    case 'revert':
      return stepTimeouts.revertMs;
    case 'confirm':
    case 'renew':
    case 'inspect':
    case 'prove':
      return stepTimeouts.proveMs + proveMs;
    default:
      return action satisfies never;
  }
}
