/** An environment's state: what fold.ts makes of its journal. Every variant carries only what is true of it. */
import type { Architecture, Artifact, Sha256 } from './artifact.ts';
import type { Judgement } from './gate.ts';
import type { HostId } from './host.ts';
import type { HostOutcome } from './host-outcome.ts';
import type { Actor, Pin, Receipt, RollbackCause, RolloutKind } from './journal.ts';
import type { HoldTerms, LifecycleVerb, NamedHost, RoleFileChange } from './lifecycle.ts';
import type { LeftOutHost, PlannedHost, Population } from './plan.ts';
import type { RolloutPolicy } from './policy.ts';

export type HostState =
  | 'pending'
  /** Acted on, or intended to be, with no proven outcome yet. */
  | 'installing'
  | 'verified'
  | 'failed'
  /** Does not answer; it was not changed by the last attempt. */
  | 'unreachable'
  /** Answers but could not be changed; it was not changed by the last attempt. */
  | 'blocked'
  | 'gone'
  /** Left out after its deadline, within the allowed number. */
  | 'skipped'
  | 'reverting'
  | 'reverted'
  | 'revert-failed';

export interface HostProgress {
  readonly host: PlannedHost;
  readonly wave: number;
  readonly state: HostState;
  /** May carry the new version, wholly or in part. */
  readonly touched: boolean;
  /** `touched` as it was before the attempt under way, or before the VM was gone. */
  readonly touchedBefore: boolean;
  readonly attempts: number;
  /** When the last attempt was intended or answered, ms; 0 before the first. */
  readonly lastAttemptAt: number;
  /** Since when attempts have been without success, ms; null while there is no trouble. */
  readonly troubleSince: number | null;
  /** The lease has changed hands since the last attempt: whoever has it now tries without a pause. */
  readonly dueAtOnce: boolean;
  /** When the new version was last proven, ms; 0 never. */
  readonly provenAt: number;
  /** When it was first proven since it last came to the host, ms; 0 never. A later proof of the same is no change. */
  readonly changedAt: number;
  /** Number of the journal entry that says so; 0 none. Order is read off this, since clocks jump. */
  readonly provenSeq: number;
  /** An operator had stopped the service: nothing runs there that gates could judge. */
  readonly leftStopped: boolean;
  /** Lifecycle action that was meant for it and whose end there nobody has heard: until it is proven again, nobody knows whether an
   * agent runs there, and gates say nothing about the version. Null: none. */
  readonly unheard: string | null;
  /** Numbers of the entries that intended the last attempt and that last told an answer, and of the newest lifecycle entry about it;
   * 0 none. */
  readonly intendedSeq: number;
  readonly answeredSeq: number;
  readonly actedSeq: number;
  readonly outcome: HostOutcome | null;
  /** When it goes back by itself unless it hears from us, ms since the epoch, no later than the host itself has it; null: it does not. */
  readonly armedUntil: number | null;
  /** How often it has gone back by itself since a person last resumed the rollout. */
  readonly wentBack: number;
}

/** A host as it is before anything is done to it. */
export function untouched(host: PlannedHost, wave: number): HostProgress {
  return {
    host,
    wave,
    state: 'pending',
    touched: false,
    touchedBefore: false,
    attempts: 0,
    lastAttemptAt: 0,
    troubleSince: null,
    dueAtOnce: false,
    provenAt: 0,
    changedAt: 0,
    provenSeq: 0,
    leftStopped: false,
    unheard: null,
    intendedSeq: 0,
    answeredSeq: 0,
    actedSeq: 0,
    outcome: null,
    armedUntil: null,
    wentBack: 0,
  };
}

/** What watching has seen so far in a soak or a bake. */
export interface Watch {
  /** Up to where time has been judged, ms since the epoch; null before the first judgement. */
  readonly judgedTo: number | null;
  readonly observedMs: number;
  /** When the last judgement was made, ms; 0 before the first. */
  readonly lastAt: number;
  readonly last: Judgement | null;
  /** Judgements in a row, up to the last, that the metrics backend failed; absent: none. */
  readonly errorsInARow?: number;
  /** Number of the entry of the last judgement, or of the watch's beginning: a proof must come after it. */
  readonly markSeq: number;
  /** How much of `observedMs` lies before the last time that somebody stopped or started agents; absent: nobody has meanwhile. */
  readonly disturbedMs?: number;
  /** Hosts that were asked after the last judgement failed, and whose agent somebody had stopped; absent: none. */
  readonly excused?: ReadonlySet<HostId>;
}

export type Phase =
  | { readonly kind: 'planned' }
  | { readonly kind: 'acting'; readonly wave: number; readonly since: number }
  | { readonly kind: 'soaking'; readonly wave: number; readonly since: number; readonly watch: Watch }
  | { readonly kind: 'passed'; readonly wave: number; readonly since: number }
  | { readonly kind: 'baking'; readonly since: number; readonly watch: Watch }
  | { readonly kind: 'done'; readonly since: number; readonly notCovered: readonly HostId[] }
  | { readonly kind: 'rolling-back'; readonly since: number; readonly cause: RollbackCause }
  | { readonly kind: 'rollback-incomplete'; readonly since: number; readonly cause: RollbackCause }
  | { readonly kind: 'rolled-back'; readonly since: number; readonly cause: RollbackCause }
  | { readonly kind: 'aborted'; readonly since: number };

/** Somebody or something holds the rollout where it is. */
export type Stop =
  | { readonly kind: 'paused'; readonly since: number; readonly by: Actor; readonly reason: string }
  | { readonly kind: 'halted'; readonly since: number; readonly code: string; readonly message: string };

/** In which hosts did not run what they run now, ms since the epoch. */
export interface UnusualTime {
  readonly from: number;
  readonly to: number;
}

export interface RolloutState {
  readonly id: string;
  readonly kind: RolloutKind;
  readonly version: string;
  readonly artifacts: Readonly<Record<Architecture, Artifact>>;
  readonly policy: RolloutPolicy;
  readonly population: Population;
  /** With a wave that was added for newcomers. */
  readonly waveCount: number;
  /** As the plan had them. */
  readonly plannedWaves: number;
  /** Hosts that have come since it was planned (newcomers.ts), in a wave or left out. */
  readonly newcomers: ReadonlySet<HostId>;
  readonly leftOut: readonly LeftOutHost[];
  readonly hosts: ReadonlyMap<HostId, HostProgress>;
  /** Of a canary: hosts that it does not change and compares with; absent: hosts of later waves serve. */
  readonly controls?: readonly PlannedHost[];
  readonly phase: Phase;
  readonly stop: Stop | null;
  readonly keep: boolean;
  readonly plannedAt: number;
  /** When its first wave began, ms since the epoch; 0 not yet. What is compared with the time before lies before this. */
  readonly startedAt: number;
  /** Times of earlier rollouts that were taken back (usual-time.ts), oldest first; absent: none is known. */
  readonly unusual?: readonly UnusualTime[];
  readonly plannedBy: Actor;
  /** Reference of the change request that it belongs to; empty: none was given. */
  readonly change: string;
  readonly reason: string;
  readonly pinBefore: Pin | null;
  /** When a person approved of going on from the present phase, ms; 0 not yet. */
  readonly approvedAt: number;
  readonly rollbackRequested: boolean;
  /** When agents on hosts that it has touched were last stopped or started by somebody, ms; 0 never. */
  readonly disturbedAt: number;
}

/** Ended for good: nothing will be done to a host any more unless a person asks. */
export function isFinished({ phase, rollbackRequested }: RolloutState): boolean {
  if (rollbackRequested) return false;
  return phase.kind === 'done' || phase.kind === 'rolled-back' || phase.kind === 'aborted';
}

export interface Quarantined {
  readonly sha256: Sha256;
  readonly version: string;
  readonly architecture: Architecture;
  readonly rolloutId: string;
  readonly at: number;
}

/** A hold as the journal knows it. */
export interface HeldHost extends NamedHost {
  readonly terms: HoldTerms;
  readonly by: Actor;
  /** `wished`: no answer yet. `confirmed`: the host has it. */
  readonly state: 'wished' | 'confirmed';
  /** A newer hold that was wished over a confirmed one and is not confirmed yet. */
  readonly next?: { readonly terms: HoldTerms; readonly by: Actor };
}

/** When something happened, in the journal's own order (fold-lifecycle.ts, FL1). */
export interface Instant {
  /** Ms since the epoch. */
  readonly at: number;
  /** Number of the entry that tells of it. */
  readonly seq: number;
}

/** A hold by the action that it came with; terms are null as long as the entry with them is not there. */
export interface HoldWord extends Instant {
  readonly actionId: string;
  readonly terms: HoldTerms | null;
  readonly by: Actor | null;
}

/** The newest of each sort that is known of a host in the lifecycle; holds are made of it. */
export interface HostWords {
  readonly name: string;
  /** It was proven that no hold is in force, or the VM was gone. */
  readonly lifted: Instant | null;
  /** The host said that it has the hold. */
  readonly told: HoldWord | null;
  /** The host was found held by an action that leaves no hold itself. */
  readonly seen: Instant | null;
  /** Newer than what was lifted and told. `acted`: the stop may have reached the host. `called-off`: it did not, and will not. */
  readonly wishes: readonly (HoldWord & { readonly state: 'open' | 'called-off' | 'acted' })[];
  /** Whether the service was proven to run or not. */
  readonly service: (Instant & { readonly isDown: boolean }) | null;
}

/** An action as the journal knows it. */
export interface ActionRecord {
  readonly actionId: string;
  readonly verb: LifecycleVerb;
  readonly by: Actor;
  readonly reason: string;
  readonly emergency: boolean;
  readonly at: number;
  /** Hosts it was meant for. */
  readonly hosts: number;
  /** null while it is under way, or where it was cut off. */
  readonly end: { readonly at: number; readonly covered: number; readonly notCovered: number } | null;
  /** Parts that are in the journal. */
  readonly parts: ReadonlySet<number>;
  /** The hold that it leaves behind; absent: none. */
  readonly hold?: HoldTerms;
}

export interface EnvironmentState {
  readonly head: { readonly seq: number; readonly hash: string } | null;
  /** The newest time of any entry, ms since the epoch; 0: there is none. */
  readonly latestAt: number;
  /** Epoch of the newest lease that wrote here. */
  readonly epoch: number;
  readonly pin: Pin | null;
  readonly receipts: readonly Receipt[];
  readonly quarantine: readonly Quarantined[];
  /** The newest rollout, finished or not. */
  readonly rollout: RolloutState | null;
  /** Hosts whose agent is to stay stopped. */
  readonly holds: ReadonlyMap<HostId, HeldHost>;
  /** What the holds are made of; nobody but the fold needs it. */
  readonly hostWords: ReadonlyMap<HostId, HostWords>;
  /** The newest lifecycle actions, at most 100, oldest first. */
  readonly actions: readonly ActionRecord[];
  /** What stops have changed in checkouts and no start has put back. */
  readonly roleFiles: readonly RoleFileChange[];
}

export const EMPTY_STATE: EnvironmentState = {
  head: null,
  latestAt: 0,
  epoch: 0,
  pin: null,
  receipts: [],
  quarantine: [],
  rollout: null,
  holds: new Map(),
  hostWords: new Map(),
  actions: [],
  roleFiles: [],
};
