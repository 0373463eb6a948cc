/**
 * Words of the lifecycle: what can be asked of the agent on hosts beside a version, what a host tells of it, and what came of it.
 *
 * LC1  A stop is proven by no process of the agent being there, a start by one that stays; never by systemd's word alone.
 * LC2  A hold is a wish until the host has confirmed it; it stays in force past its end, and is then shown as due.
 */
import type { HostId } from './host.ts';
import type { BlockedKind, NoAnswerKind } from './host-outcome.ts';

/** As operators type them. */
export const SERVICE_VERBS = ['stop', 'start', 'restart', 'enable', 'disable'] as const;
export const PACKAGE_VERBS = ['install', 'remove', 'purge'] as const;
export const LIFECYCLE_VERBS = [...SERVICE_VERBS, ...PACKAGE_VERBS] as const;

export type ServiceVerb = (typeof SERVICE_VERBS)[number];
export type LifecycleVerb = (typeof LIFECYCLE_VERBS)[number];

/** What would start the agent again, as far as it is known by itself. */
export const STARTERS = ['chef-client', 'unattended-upgrades', 'google-os-config', 'vendor-updater'] as const;
export type StarterKind = (typeof STARTERS)[number];

/** A starter, or any systemd unit by its name: `unit:chef-run.timer`. */
export type StarterName = StarterKind | `unit:${string}`;

/** What keeps the service down on the host itself. */
export const BRAKES = ['mask', 'condition', 'none'] as const;
/**
 * `mask`: the unit is masked, so that a start fails. `condition`: a drop-in lets a start do nothing, without an error, as long as the
 * hold's file is there. `none`: only the controllers are told.
 */
export type Brake = (typeof BRAKES)[number];

/** A recorded wish that the agent stays stopped, as it is written on the host and into the journal. */
export interface HoldTerms {
  /** The action that it came with. */
  readonly actionId: string;
  readonly environment: string;
  /** Such as `ops@laptop`. */
  readonly by: string;
  readonly reason: string;
  /** Ms since the epoch. */
  readonly since: number;
  /** When it is due to be lifted, ms since the epoch. Nothing lifts it by itself (LC2). */
  readonly until: number;
}

/** A command that is run on the host as root, word by word, never through a shell. */
export interface ControllerCommand {
  readonly name: string;
  /** Run only where this is there; `always`: everywhere. */
  readonly when: StarterName | 'always';
  readonly words: readonly string[];
  /** Seconds. */
  readonly timeoutS: number;
}

/** Who else decides about the agent, and how it is told. `{reason}`, `{by}`, `{until}`, `{environment}` are filled into words. */
export type Controller =
  | {
      readonly kind: 'command';
      readonly name: string;
      readonly when: StarterName | 'always';
      readonly onStop: readonly string[];
      /** Takes it back at a start; empty: nothing to take back. */
      readonly onStart: readonly string[];
      readonly timeoutMs: number;
    }
  /** A value in a JSON file of a checkout, such as a Chef role. */
  | {
      readonly kind: 'role-file';
      readonly name: string;
      /** Absolute. */
      readonly file: string;
      /** Keys from the top, such as `default_attributes`, `uptycs`, `enable`. */
      readonly path: readonly string[];
      readonly onStop: string | number | boolean;
      /** Branch to commit to, with the same places filled in and `{verb}`; null: the file is changed and not committed. */
      readonly branch: string | null;
    };

/** How the agent of an environment is started and stopped, resolved from its file. */
export interface LifecycleSettings {
  /** How long a hold lasts that names no end, ms. */
  readonly holdForMs: number;
  readonly brake: Brake;
  /** After a stop, how long until the second look, ms. */
  readonly settleMs: number;
  /** How long an emergency goes on trying hosts that did not answer, ms. */
  readonly deadlineMs: number;
  /** Most connections at once in an emergency. */
  readonly concurrency: number;
  /** How long a started agent must stay up to count as proven, ms. */
  readonly proveMs: number;
  /** Folders that a purge removes besides the package's own files: what the agent has written. */
  readonly purgePaths: readonly string[];
  readonly controllers: readonly Controller[];
}

/** The hold as a host has it. */
export interface HostHold extends HoldTerms {
  readonly brake: Brake | 'not-executable';
  /** `memory`: the disk took no file, so that a reboot forgets it. */
  readonly kept: 'disk' | 'memory';
  /** Names of the controllers that were told. */
  readonly told: readonly string[];
}

/** The `status` step: what a host tells of the agent. Texts are empty and numbers null where it cannot tell. */
export interface AgentStatus {
  readonly init: 'systemd' | 'sysvinit';
  /** systemd's words; of sysvinit `active` or `inactive`, by the processes there. */
  readonly activeState: string;
  readonly subState: string;
  /** enabled, disabled, masked, ... */
  readonly unitFileState: string;
  readonly packageState: 'installed' | 'absent' | 'broken';
  /** Full Debian version that dpkg has. */
  readonly packageVersion: string;
  /** What the running executable itself says it is, such as `5.10.2`. */
  readonly runningVersion: string;
  /** Whether what runs is the file that is installed; null: nothing runs. */
  readonly runsInstalled: boolean | null;
  /** 0: nothing runs. */
  readonly mainPid: number;
  /** Processes of the agent that are not the service's: started by hand, or left over. */
  readonly strays: readonly number[];
  /** How long the main process has been running, ms. */
  readonly uptimeMs: number | null;
  /** systemd's NRestarts. */
  readonly restarts: number;
  /** Exit status of the main process when it last ended. */
  readonly exitStatus: number;
  /** CPU of the agent's processes as a percentage of one core. */
  readonly cpuPercent: number | null;
  /** Over what `cpuPercent` is: since the start, or a sample of some ms taken now. */
  readonly cpuOver: 'lifetime' | 'sample';
  readonly memoryBytes: number | null;
  readonly hold: HostHold | null;
  /** What would start it again if it were stopped, and is not told otherwise now. */
  readonly starters: readonly string[];
  /** Another host program is changing this host. */
  readonly busy: boolean;
  readonly bootId: string;
}

/** How a lifecycle action went wrong on the host. */
export type LifecycleFailure =
  /** A process of the agent is still there. */
  | 'still-runs'
  /** It did not start, or did not stay up. */
  | 'start-failed'
  | 'install-failed'
  | 'remove-failed'
  /** Files are left that should be gone. */
  | 'remains'
  | 'proof-failed'
  | 'crashed';

export type LifecycleOutcome =
  | {
      readonly kind: 'proven';
      /** What was proven at the end. `left-held`: it was meant to be started, and a hold keeps it stopped. */
      readonly service: 'running' | 'stopped' | 'left-held' | 'absent';
      /** Full Debian version of what runs or is installed; empty: nothing. */
      readonly version: string;
      /** A hold is in force on the host now. */
      readonly held: boolean;
      /** What a person should know, a sentence each: a controller that failed, a hold that is only in memory. */
      readonly notes: readonly string[];
      /** Controllers that should have been told and were not, by name; absent: none. */
      readonly untold?: readonly string[];
    }
  | {
      readonly kind: 'failed';
      readonly failure: LifecycleFailure;
      readonly step: string;
      readonly message: string;
      /** Whether a hold is known to be on the host although the action failed. */
      readonly held: boolean;
    }
  | { readonly kind: 'blocked'; readonly why: BlockedKind; readonly message: string }
  | { readonly kind: 'no-answer'; readonly why: NoAnswerKind; readonly message: string }
  | { readonly kind: 'gone' };

/** A host in lifecycle entries, named: who reads the journal at night knows hosts by their names. */
export interface NamedHost {
  readonly id: HostId;
  readonly name: string;
}

export interface AnsweredAction extends NamedHost {
  readonly outcome: LifecycleOutcome;
  /** How long the attempt took, ms. */
  readonly tookMs: number;
  /** How long before the entry's `happenedAt` it ended, ms: answers are written in groups. Absent: 0. */
  readonly agoMs?: number;
}

/** Which of the entries of an action this is; by it an entry that was sent twice is known. */
export interface ActionPart {
  readonly actionId: string;
  /** From 0. */
  readonly part: number;
  /** When it happened, ms since the epoch: it may have reached the journal later. */
  readonly happenedAt: number;
}

/** A value in a file of a checkout that a stop has changed, so that a start can put it back. */
export interface RoleFileChange {
  readonly name: string;
  readonly file: string;
  readonly path: readonly string[];
  /** JSON text; null: it was not there. */
  readonly before: string | null;
  readonly after: string | null;
  /** Commit and its branch, where it was committed. */
  readonly commit: { readonly id: string; readonly branch: string } | null;
}
