/**
 * What is asked of a host and what it answers. The programs are `src/host/*.sh`; this file is their protocol.
 *
 * A program answers one JSON object a line, each with `step` and `ok`. The first line is `begin`: without it the program
 * never ran, and nothing was touched. It ends with one of the exit codes below. An answer without an exit status means
 * unknown: look again, never guess.
 */
import type { Architecture, Sha256 } from './artifact.ts';
import type { Brake, ControllerCommand, HoldTerms, ServiceVerb, StarterName } from './lifecycle.ts';

/** A package that a program needs on the host, and what proves that it runs. */
export interface PackageRef {
  readonly sha256: Sha256;
  /** Bytes. */
  readonly size: number;
  /** Full Debian version. */
  readonly packageVersion: string;
  readonly executablePath: string;
  readonly executableSha256: Sha256;
}

export interface AgentRef {
  /** Debian package, such as `osquery`. */
  readonly package: string;
  /** systemd unit without suffix, such as `osqueryd`. */
  readonly service: string;
  /** Absolute path of the daemon, such as `/opt/osquery/bin/osqueryd`. */
  readonly executable: string;
}

interface OrderBase {
  readonly agent: AgentRef;
  /** The instance id that the host's metadata server must tell (H7); absent: not asked. */
  readonly instanceId?: string;
}

export type HostOrder =
  /** Read only: what is installed, what runs. */
  | (OrderBase & { readonly program: 'look' })
  /** Install `target` over `previous`, restart if it was running, prove. Safe to repeat under the same `orderId`. */
  | (OrderBase & ChangeOrder & { readonly program: 'upgrade' })
  /** Put `previous` back over `target`, restore the service's state from before the upgrade, prove. Safe to repeat. */
  | (OrderBase & ChangeOrder & { readonly program: 'revert' })
  /** Of an armed host: the version stays (`confirm`), or wait on (`renew`). Safe to repeat; changes no package. */
  | (OrderBase & ArmedOrder & { readonly program: 'confirm' })
  /** Read only: counters of the agent and of the host, twice, `sampleMs` apart. Needs no dpkg. */
  | (OrderBase & ProbeOrder & { readonly program: 'probe' })
  /** Read only: the unit's state and its log, for an incident report. Needs no dpkg. */
  | (OrderBase & CollectOrder & { readonly program: 'collect' })
  /** Read only: is `target` what runs, without a restart for `proveMs`? */
  | (OrderBase & {
      readonly program: 'prove';
      readonly orderId: string;
      readonly target: PackageRef;
      readonly proveMs: number;
    })
  /** Read only: the agent's service, its processes and its hold. Needs no dpkg. */
  | (OrderBase & StatusOrder & { readonly program: 'status' })
  /** Start, stop and the like. Safe to repeat. Never waits for an installation: that one finds the hold instead. */
  | (OrderBase & ServiceOrder & { readonly program: 'service' })
  /** Install `target` where the package is absent, enable and start it unless a hold keeps it stopped, prove. Safe to repeat. */
  | (OrderBase & PackageOrder & InstallOrder & { readonly program: 'install' })
  /** Stop, remove or purge the package, prove that no process and, for a purge, no file remains. Safe to repeat. */
  | (OrderBase & PackageOrder & RemoveOrder & { readonly program: 'remove' });

export interface StatusOrder {
  /** Over how long CPU is measured now, ms; 0: what it was since the start of the process. */
  readonly sampleMs: number;
  /** Units besides the known starters that would start the agent again. */
  readonly starters: readonly StarterName[];
}

export interface ServiceOrder {
  readonly verb: ServiceVerb;
  /** Of `enable` and `disable`: start or stop it as well. */
  readonly now: boolean;
  /** Of what stops: the hold to leave behind; absent: none is left, and the next one to start it will. */
  readonly hold?: HoldTerms;
  /** Of what stops with a hold. */
  readonly brake: Brake;
  /** Who else is told, in order: of what stops the stop's commands, of what starts those that take it back. */
  readonly commands: readonly ControllerCommand[];
  readonly starters: readonly StarterName[];
  /** How long a started agent must stay up, ms. */
  readonly proveMs: number;
}

interface PackageOrder {
  /** Names this action on the host. */
  readonly orderId: string;
  readonly environment: string;
  /** Journal sequence number of the intent, as of ChangeOrder. */
  readonly fence: number;
  /** How long to wait for dpkg's lock, seconds. */
  readonly lockTimeoutS: number;
}

export interface InstallOrder {
  readonly target: PackageRef;
  readonly proveMs: number;
}

export interface RemoveOrder {
  readonly purge: boolean;
  /** Folders that a purge removes besides the package's own files, absolute. */
  readonly purgePaths: readonly string[];
}

export interface ArmedOrder {
  readonly verb: 'confirm' | 'renew';
  readonly orderId: string;
  readonly environment: string;
  readonly fence: number;
  /** What must be installed there, or nothing is confirmed. */
  readonly target: PackageRef;
  /** Of `renew`: how long to wait from now on, seconds. */
  readonly revertAfterS?: number;
}

export interface CollectOrder {
  /** Log lines since then, seconds since the epoch; and how many of the last at most. */
  readonly sinceS: number;
  readonly lines: number;
}

export interface ProbeOrder {
  /** How far apart the two readings lie, ms. */
  readonly sampleMs: number;
  /** File that grows while results are written, absolute, such as `/var/log/osquery/osqueryd.results.log`. */
  readonly resultsLog: string;
}

/** Of an upgrade: the way back that the host takes by itself. Armed and durable before anything is installed. */
export interface ArmOrder {
  /** How long after the upgrade has begun, seconds. */
  readonly revertAfterS: number;
  /** Called off by the upgrade itself once it has proven the target, instead of by a `confirm`. */
  readonly disarm: 'after-proof' | 'after-soak';
  /** Runtime limits of the unit while it is armed. */
  readonly guardCpuPercent?: number;
  readonly guardMemoryBytes?: number;
}

interface ChangeOrder {
  /** Of `upgrade`; absent: nothing is armed. */
  readonly arm?: ArmOrder;
  /** Of the way back, also the one a host takes by itself; absent: keep. */
  readonly database?: { readonly policy: 'keep' | 'move-aside'; readonly path: string };
  /** The rollout's id and its time: under it the host remembers what the service's state was before the first touch. */
  readonly orderId: string;
  /** Journal sequence number of the intent; the host refuses one lower than it has seen from the same environment. */
  readonly fence: number;
  readonly environment: string;
  readonly target: PackageRef;
  readonly previous: PackageRef;
  readonly proveMs: number;
  /** How long to wait for dpkg's lock, seconds. */
  readonly lockTimeoutS: number;
}

/** One line of a program's answer. Fields beyond these two depend on the step. */
export interface HostStep {
  readonly step: string;
  readonly ok: boolean;
  readonly [field: string]: unknown;
}

/** The programs' reserved exit codes. Anything else is `crashed`. */
export const HOST_EXIT = {
  done: 0,
  /** Arguments are wrong: a bug of ours. */
  usage: 64,
  /** This host does not learn its instance id from its metadata server, so that nobody knows who it is. Nothing changed. */
  identityUnknown: 67,
  /** This host has another instance id than the one that is meant: its address was used again. Nothing changed. */
  wrongHost: 68,
  /** No dpkg or no systemd here. */
  unsupported: 69,
  /** Another host program holds the host-wide lock. Nothing changed. */
  busy: 70,
  /** Our fence is older than one the host has seen. Nothing changed. */
  fenced: 71,
  /** The package file is not on the host, or its kept copy was spoilt and is removed. Nothing changed. */
  missingPackage: 72,
  /** The delivered file has another sha256. Nothing changed. */
  digestMismatch: 73,
  /** Too little disk space. Nothing changed. */
  noSpace: 74,
  /** dpkg's lock was held until the timeout. Nothing changed. */
  dpkgLocked: 75,
  /** Another version than `previous` or `target` is installed. Nothing changed. */
  drifted: 76,
  /** dpkg or apt failed to install. */
  installFailed: 77,
  /** The service did not start, or did not stay up. */
  startFailed: 78,
  /** Something else runs than what should. */
  proofFailed: 79,
  /** A process of the agent is still there after a stop. */
  stillRuns: 80,
  /** dpkg or apt failed to remove the package. */
  removeFailed: 81,
  /** Files are left that a purge should have removed. */
  remains: 82,
  /** The way back that the host would take by itself could not be armed. Nothing changed. */
  armFailed: 83,
} as const;

export type HostExitName = keyof typeof HOST_EXIT;

/** The `look` step's fields. Also the shape of the `look` step that upgrade, revert and prove begin with. */
export interface HostLook {
  readonly architecture: Architecture;
  readonly packageState: 'installed' | 'absent' | 'broken';
  /** Full Debian version; empty when absent. */
  readonly packageVersion: string;
  /** systemd's words: active, activating, inactive, failed, ... */
  readonly activeState: string;
  readonly subState: string;
  /** enabled, disabled, masked, static, ... or empty when there is no unit. */
  readonly unitFileState: string;
  /** 0 when nothing runs. */
  readonly mainPid: number;
  /** sha256 of the running process's executable, through /proc/PID/exe; empty when nothing runs. */
  readonly runningSha256: Sha256;
  /** sha256 of the executable on disk; empty when there is none. */
  readonly installedSha256: Sha256;
  /** systemd's NRestarts. */
  readonly restarts: number;
  /** sha256 of the packages kept under /var/lib/rollout/packages. */
  readonly kept: readonly Sha256[];
  /** KiB free where packages are kept. */
  readonly freeKib: number;
  readonly bootId: string;
  /** What keeps hands off the agent, such as `dpkg hold and unit masked`; empty when nothing does. */
  readonly hold: string;
  /** The host's own clock as it answered, ms since the epoch, by some hosts in whole seconds; null where it does not tell. */
  readonly clockMs: number | null;
  /** With what it can fetch a package: `curl`, `wget`, or empty. */
  readonly fetcher: string;
}
