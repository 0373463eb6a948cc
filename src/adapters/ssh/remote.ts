/**
 * The Remote port over SSH: one connection and one program for each call.
 *
 * R1  Exactly one answer a call; never a rejection. R2  Kinds other than `unknown` and `timed-out` mean that nothing ran.
 * R3  A call that is cancelled before its program began runs nothing; after that the program is waited for, never cut off.
 * R4  A revert is run also when its package could not be delivered: the host may keep it. Only where it does not is
 *     `delivery-failed` the answer.
 */
import type { SshSettings } from '../../domain/connection.ts';
import { hostCommandLine } from '../../domain/host-command.ts';
import { HOST_EXIT } from '../../domain/host-order.ts';
import type { NoAnswerKind } from '../../domain/host-outcome.ts';
import { err, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { HostKeySource } from '../../ports/host-keys.ts';
import type { Remote, RemoteAnswer, RemoteHost, RemoteJob } from '../../ports/remote.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import type { ConnectFailure, SshConnection, SshTarget } from './connection.ts';
import { type Credentials, loadCredentials } from './credentials.ts';
import { deliver } from './deliver.ts';
import type { OpenWay, Surroundings } from './establish.ts';
import { execute } from './execute.ts';
import { createExpectedKeys } from './expected-keys.ts';
import { createJumpChain } from './jump.ts';
import { createKnownHostsReader, type KnownHosts, lookupName, recently } from './known-hosts.ts';
import type { HostPrograms } from './programs.ts';
import { createProxies } from './proxy-command.ts';
import { type ProxyValues, proxyWords } from './proxy-words.ts';
import { createRamp, type Slot } from './ramp.ts';
import { reach } from './reach.ts';
import { createUserName } from './user-name.ts';
import type { Way } from './way.ts';

export interface SshRemoteOptions {
  readonly settings: SshSettings;
  readonly secrets: SecretReader;
  readonly programs: HostPrograms;
  readonly clock: Clock;
  /** What SSH_AUTH_SOCK holds; used only when the settings ask for the agent. */
  readonly agentSocket?: string;
  /** Asked for a host's keys before known_hosts is. */
  readonly hostKeys?: HostKeySource;
  /** Whose account it is on the hosts, where the settings name none; asked once. The error is a sentence with its mend. */
  readonly userName?: () => Promise<Result<string, string>>;
  /** How many such Remotes divide the settings' concurrency among them (spread.ts). Default 1. */
  readonly sharers?: number;
}

export function createSshRemote(options: SshRemoteOptions): Remote {
  const { settings, clock, sharers = 1 } = options;
  const ramp = createRamp({ clock, most: settings.concurrency, way: wayKind(settings), sharers });
  const jump = createJumpChain(settings.jump);
  const knownHosts = recently(createKnownHostsReader(settings.knownHosts), clock);
  const proxies = createProxies(clock);
  const expectedKeys = createExpectedKeys(options.hostKeys ?? null, clock);
  const userName = createUserName(settings, options.userName, clock);
  const open = new Set<SshConnection>();
  const closing = new AbortController();
  let credentials: Promise<Credentials> | null = null;
  const eithers = new WeakMap<AbortSignal, AbortSignal>();

  /** Made once for a caller's signal, which is mostly the same for all hosts. */
  const eitherOf = (signal: AbortSignal): AbortSignal => {
    const either = eithers.get(signal) ?? AbortSignal.any([signal, closing.signal]);
    eithers.set(signal, either);
    return either;
  };

  const surroundings = async (user: string): Promise<Surroundings> => {
    credentials ??= loadCredentials({
      identityFiles: settings.identityFiles,
      ...(settings.passphrase === undefined ? {} : { passphrase: settings.passphrase }),
      ...(options.agentSocket === undefined ? {} : { agentSocket: options.agentSocket }),
      wantsAgent: settings.agent,
      secrets: options.secrets,
    });
    return { settings, clock, known: await knownHosts.recent(), credentials: await credentials, user };
  };

  /** Undefined: straight to the host, over TCP. */
  const wayTo = (host: RemoteHost, target: SshTarget, around: Surroundings): OpenWay | undefined => {
    if (jump !== null) return () => jump.open(target.address, target.port, around);
    if (settings.proxyCommand.length === 0) return undefined;
    return async () => {
      const words = proxyWords(settings.proxyCommand, valuesOf(host, target));
      const way: Result<Way, string> = words.ok ? proxies.start(words.value) : words;
      return way.ok ? way : err(noWay(`${target.label}: ${way.error}`));
    };
  };

  const attempt = async (
    host: RemoteHost,
    job: RemoteJob,
    { signal, slot }: { signal: AbortSignal; slot: Slot },
  ): Promise<RemoteAnswer> => {
    const where = targetOf(host, settings);
    if (signal.aborted) return none('cancelled', `${where.label}: cancelled before it began`);
    const until = clock.now() + job.timeoutMs;
    const programText = await options.programs.text(job.order.program);
    const user = await userName({ withinMs: job.timeoutMs, signal });
    if (signal.aborted) return none('cancelled', `${where.label}: cancelled before it began`);
    if (!user.ok) return none('denied', `${where.label}: ${user.error}`);
    const target = { ...where, user: user.value };
    const around = await surroundings(user.value);
    if (around.credentials.usable.length === 0)
      return none('denied', nothingToOffer(target, around.credentials));
    const connectWith = (known: KnownHosts): Promise<Result<SshConnection, ConnectFailure>> => {
      const through = wayTo(host, target, { ...around, known });
      return reach({
        host,
        target,
        around: { ...around, known },
        expectedKeys,
        withinMs: Math.max(1, until - clock.now()),
        signal,
        slot,
        ...(through === undefined ? {} : { through }),
      });
    };
    let connected = await connectWith(around.known);
    if (
      !connected.ok &&
      (connected.error.why === 'host-key-unknown' || connected.error.why === 'host-key-mismatch')
    ) {
      const known = await knownHosts.now();
      if (known !== around.known) connected = await connectWith(known);
    }
    if (!connected.ok) {
      if (connected.error.why !== 'unreachable') ramp.reached();
      return none(connected.error.why, connected.error.message);
    }
    ramp.reached();
    const connection = connected.value;
    open.add(connection);
    try {
      let incoming: string | null = null;
      let undelivered: string | null = null;
      if (job.packages.length > 0) {
        slot.settle();
        const delivered = await deliver({
          connection,
          label: target.label,
          packages: job.packages,
          clock,
          timeoutMs: Math.max(1, until - clock.now()),
          idleTimeoutMs: settings.idleTimeoutMs,
          signal,
        });
        if (!delivered.ok && !signal.aborted) {
          if (job.order.program !== 'revert') return none('delivery-failed', delivered.error);
          undelivered = delivered.error;
        }
        incoming = delivered.ok ? delivered.value : null;
      }
      if (signal.aborted) return none('cancelled', `${target.label}: cancelled before it began`);
      // A sudo that waits for a directory service is as silent as a host that is down.
      slot.heard();
      const answer = await execute({
        connection,
        label: target.label,
        commandLine: hostCommandLine(job.order, incoming === null ? {} : { incoming }),
        programText,
        clock,
        commandTimeoutMs: Math.max(1, Math.min(settings.commandTimeoutMs, until - clock.now())),
        idleTimeoutMs: settings.idleTimeoutMs,
        onStep(step) {
          slot.settle();
          job.onStep?.(step);
        },
      });
      const isMissing = answer.kind === 'answered' && answer.exitCode === HOST_EXIT.missingPackage;
      return undelivered !== null && isMissing ? none('delivery-failed', undelivered) : answer;
    } finally {
      open.delete(connection);
      connection.close();
    }
  };

  return {
    async run(host, job, signal) {
      const stop = signal === undefined ? closing.signal : eitherOf(signal);
      try {
        return await ramp.run((slot) => attempt(host, job, { signal: stop, slot }));
      } catch (cause) {
        // A bug, or a broken installation; `execute` turns its own into values, so nothing of ours has run (R2).
        return none('unreachable', `${host.name}: nothing was sent: ${(cause as Error).message}`);
      }
    },
    async close() {
      closing.abort();
      const ends = [...open].map((connection) => connection.lost);
      for (const connection of open) connection.close();
      jump?.close();
      await Promise.all([...ends, proxies.close()]);
    },
  };
}

function wayKind(settings: SshSettings): 'direct' | 'jump' | 'program' {
  if (settings.jump.length > 0) return 'jump';
  return settings.proxyCommand.length > 0 ? 'program' : 'direct';
}

/** Names in the order of trust: gcloud's alias by instance id, which is never reused; the host's name; its address. */
function targetOf(host: RemoteHost, settings: SshSettings): Omit<SshTarget, 'user'> {
  const port = host.port ?? settings.port;
  const names = [`compute.${host.id}`, lookupName(host.name, port), lookupName(host.address, port)];
  return {
    label: `${host.name} (${host.address}:${port})`,
    address: host.address,
    port,
    names: [...new Set(names)],
  };
}

function valuesOf(host: RemoteHost, { address, port, user }: SshTarget): ProxyValues {
  const { name, id, zone, project } = host;
  return { name, id, zone, project, address, port: String(port), user };
}

function noWay(message: string): ConnectFailure {
  return { why: 'unreachable', message, dropped: false, strained: false };
}

function nothingToOffer(target: SshTarget, credentials: Credentials): string {
  const notes = credentials.notes.join('; ') || 'neither identity files nor an agent are configured';
  return `there is no key to offer to ${target.label}: ${notes}. Set ssh.identityFiles, or ssh.agent with a running agent`;
}

function none(why: NoAnswerKind, message: string): RemoteAnswer {
  return { kind: 'no-answer', why, message };
}
