/**
 * The journal's entries: the only source of truth. Every state is a fold over them (state.ts).
 *
 * J1  Entry N+1 is created only if it does not exist; who loses that race has lost the lease or must read again.
 * J2  Each entry carries the hash of the one before, so that a change in the past shows.
 * J3  An entry of an unknown schema, or of a kind that this program does not know, is refused, never skipped: it may be what
 *     keeps a host from being touched.
 */
import type { Architecture, Artifact, Sha256 } from './artifact.ts';
import type { SeenHost } from './fleet-record.ts';
import type { Judgement } from './gate.ts';
import type { HostId } from './host.ts';
import type { HostOutcome } from './host-outcome.ts';
import type {
  ActionPart,
  AnsweredAction,
  HoldTerms,
  LifecycleVerb,
  NamedHost,
  RoleFileChange,
} from './lifecycle.ts';
import type { LeftOutHost, Plan, PlannedHost } from './plan.ts';
import type { RolloutPolicy } from './policy.ts';

export const JOURNAL_SCHEMA = 1;

/** `prev` of the first entry. */
export const GENESIS_HASH = '0'.repeat(64);

export interface Actor {
  readonly user: string;
  readonly hostname: string;
  /** The command as typed, secrets excluded, such as `rollout promote gprd`. */
  readonly command: string;
  /** URL of the CI job, where there is one. */
  readonly ciJob?: string;
  /** Who started that job, where it tells. */
  readonly person?: string;
}

export type RolloutKind = 'deploy' | 'promote' | 'canary' | 'rollback';

/**
 * `confirm` tells an armed host that all is well: it stays on the new version. `renew` tells it to wait on. Both change nothing but what
 * the host does by itself when it hears from nobody.
 */
export type HostAction = 'upgrade' | 'inspect' | 'prove' | 'revert' | 'confirm' | 'renew';

/** What an environment is meant to run. */
export interface Pin {
  readonly version: string;
  readonly digests: Readonly<Record<Architecture, Sha256>>;
}

/** Proof that a version went through an environment's bake. */
export interface Receipt {
  readonly environment: string;
  readonly rolloutId: string;
  readonly version: string;
  readonly digests: Readonly<Record<Architecture, Sha256>>;
  /** Observed healthy bake, ms. */
  readonly observedMs: number;
  readonly hosts: number;
}

export type RollbackCause =
  | { readonly kind: 'verdict'; readonly judgement: Judgement }
  | { readonly kind: 'failed-hosts'; readonly hosts: readonly HostId[]; readonly message: string }
  | { readonly kind: 'operator' }
  /** A canary without --keep passed and is put back: no quarantine. */
  | { readonly kind: 'canary-finished' };

export interface AnsweredHost {
  readonly id: HostId;
  readonly outcome: HostOutcome;
  /** How long the attempt took, ms. */
  readonly tookMs: number;
}

export type EntryBody =
  /** Written first by every new holder of the lease: fences off the holder before. */
  | { readonly kind: 'lease-taken'; readonly epoch: number; readonly from?: string }
  | {
      readonly kind: 'rollout-planned';
      readonly rolloutId: string;
      readonly rolloutKind: RolloutKind;
      readonly version: string;
      readonly artifacts: Readonly<Record<Architecture, Artifact>>;
      readonly plan: Plan;
      readonly policy: RolloutPolicy;
      /** The predecessor's receipt that a promotion rests on. */
      readonly receipt?: Receipt;
      /** A person's reason for going without a receipt. */
      readonly override?: string;
      /** Canary only: leave the canaries on the new version. */
      readonly keep?: boolean;
      /** The change request that it belongs to. */
      readonly change?: string;
    }
  /** `wentBack`: it begins again, for hosts of it that have put themselves back; absent: for the first time. */
  | { readonly kind: 'wave-started'; readonly wave: number; readonly wentBack?: readonly HostId[] }
  | { readonly kind: 'hosts-intended'; readonly action: HostAction; readonly hosts: readonly HostId[] }
  | { readonly kind: 'hosts-answered'; readonly action: HostAction; readonly hosts: readonly AnsweredHost[] }
  /** Out of reach past their deadline and within the allowed number: left out, listed, still restored by a rollback. */
  | { readonly kind: 'hosts-excused'; readonly hosts: readonly HostId[] }
  | { readonly kind: 'wave-acted'; readonly wave: number }
  | { readonly kind: 'judged'; readonly judgement: Judgement }
  | { readonly kind: 'wave-passed'; readonly wave: number }
  /** All waves have passed: the environment is now meant to run this version. */
  | { readonly kind: 'bake-started'; readonly pin: Pin }
  | { readonly kind: 'rollout-done'; readonly receipt?: Receipt; readonly notCovered: readonly HostId[] }
  | { readonly kind: 'rollback-started'; readonly cause: RollbackCause }
  | { readonly kind: 'rolled-back'; readonly quarantined: readonly Sha256[]; readonly pin: Pin | null }
  | { readonly kind: 'rollback-incomplete'; readonly hosts: readonly HostId[] }
  | { readonly kind: 'halted'; readonly code: string; readonly message: string }
  /**
   * VMs that were not there when the rollout was planned, or on a way back could not be seen then. They are added to `wave`, which has not begun and may be one behind
   * the last; whoever cannot go along is listed with its reason. A VM made anew under an old name is another host.
   */
  | {
      readonly kind: 'hosts-joined';
      readonly wave: number;
      readonly hosts: readonly PlannedHost[];
      readonly leftOut: readonly LeftOutHost[];
    }
  /** What changed in the fleet since the last such entry: at most 500 hosts an entry. */
  | {
      readonly kind: 'fleet-seen';
      readonly seen: readonly SeenHost[];
      readonly gone: readonly HostId[];
      /** All that could not be listed this time: what is there is unknown. */
      readonly unknownZones: readonly string[];
      /** Of a listing that takes several entries: it counts once all `of` are there (listing-parts.ts). `part` from 0. */
      readonly listing?: { readonly id: string; readonly part: number; readonly of: number };
    }
  /* The lifecycle. At most 500 hosts an entry; parts of an action may reach the journal late, and each counts once. */
  | (ActionPart & {
      readonly kind: 'lifecycle-intended';
      readonly verb: LifecycleVerb;
      /** Of enable and disable: with a start or a stop. */
      readonly now: boolean;
      readonly emergency: boolean;
      readonly hosts: readonly NamedHost[];
      /** The hold that each of them is to have. */
      readonly hold?: HoldTerms;
      /** Of when the list of hosts is, ms since the epoch. */
      readonly inventoryAt: number;
    })
  | (ActionPart & {
      readonly kind: 'lifecycle-answered';
      readonly verb: LifecycleVerb;
      readonly now: boolean;
      readonly hosts: readonly AnsweredAction[];
    })
  /** A second look, some time after a stop: who has been started again. */
  | (ActionPart & {
      readonly kind: 'lifecycle-settled';
      readonly stayedDown: number;
      readonly startedAgain: readonly NamedHost[];
      readonly unseen: readonly NamedHost[];
    })
  | (ActionPart & {
      readonly kind: 'lifecycle-ended';
      readonly covered: number;
      readonly notCovered: readonly (NamedHost & { readonly why: string })[];
    })
  | (ActionPart & { readonly kind: 'role-file-changed'; readonly change: RoleFileChange })
  /* What persons ask for; written by whoever asks, lease or not. */
  | { readonly kind: 'pause-requested' }
  | { readonly kind: 'resume-requested' }
  | { readonly kind: 'approval-given' }
  | { readonly kind: 'abort-requested' }
  | { readonly kind: 'rollback-requested' }
  | { readonly kind: 'quarantine-lifted'; readonly sha256: Sha256 };

export type EntryKind = EntryBody['kind'];

/** A record, so that none is forgotten here. */
const KNOWN_KINDS: Readonly<Record<EntryKind, true>> = {
  'lease-taken': true,
  'rollout-planned': true,
  'wave-started': true,
  'hosts-intended': true,
  'hosts-answered': true,
  'hosts-excused': true,
  'wave-acted': true,
  judged: true,
  'wave-passed': true,
  'bake-started': true,
  'rollout-done': true,
  'rollback-started': true,
  'rolled-back': true,
  'rollback-incomplete': true,
  halted: true,
  'hosts-joined': true,
  'fleet-seen': true,
  'lifecycle-intended': true,
  'lifecycle-answered': true,
  'lifecycle-settled': true,
  'lifecycle-ended': true,
  'role-file-changed': true,
  'pause-requested': true,
  'resume-requested': true,
  'approval-given': true,
  'abort-requested': true,
  'rollback-requested': true,
  'quarantine-lifted': true,
};

/** An entry before it has its place in the chain. */
export interface EntryDraft {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly actor: Actor;
  /** The person's own words, `--reason`. */
  readonly reason?: string;
  /** Epoch of the writer's lease; absent on requests, which need none. */
  readonly epoch?: number;
  readonly body: EntryBody;
}

export interface Entry extends EntryDraft {
  readonly schema: typeof JOURNAL_SCHEMA;
  /** From 1, without gaps. */
  readonly seq: number;
  /** Hash of the entry before, lower-case hex sha256. */
  readonly prev: string;
  /** sha256 over the canonical JSON of everything else. */
  readonly hash: string;
}

/** sha256 of a text, lower-case hex: given by the caller, since the domain knows no library. */
export type Digest = (text: string) => string;

/** JSON with sorted keys and without undefined: the same value always gives the same text. Plain JSON values only. */
export function canonicalJson(value: unknown): string {
  // What was read from a journal is sorted already; the runtime's own JSON is then several times as fast.
  return isSorted(value) ? (JSON.stringify(value) ?? 'null') : sortedJson(value);
}

function isSorted(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return true;
  if (Array.isArray(value)) return value.every(isSorted);
  let before = '';
  for (const key of Object.keys(value)) {
    if (key < before || !isSorted((value as Record<string, unknown>)[key])) return false;
    before = key;
  }
  return true;
}

function sortedJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(',')}]`;
  const parts: string[] = [];
  for (const key of Object.keys(value).sort()) {
    const field = (value as Record<string, unknown>)[key];
    if (field !== undefined) parts.push(`${JSON.stringify(key)}:${sortedJson(field)}`);
  }
  return `{${parts.join(',')}}`;
}

/** Puts a draft behind `head` (null: it is the first). */
export function sealEntry(
  head: { seq: number; hash: string } | null,
  draft: EntryDraft,
  digest: Digest,
): Entry {
  const unsealed = {
    schema: JOURNAL_SCHEMA,
    seq: (head?.seq ?? 0) + 1,
    prev: head?.hash ?? GENESIS_HASH,
    ...draft,
  } as const;
  return { ...unsealed, hash: digest(canonicalJson(unsealed)) };
}

export type ChainBreak =
  | { readonly kind: 'gap'; readonly expected: number; readonly found: number }
  | { readonly kind: 'altered'; readonly seq: number }
  | { readonly kind: 'unlinked'; readonly seq: number }
  | { readonly kind: 'unknown-schema'; readonly seq: number; readonly schema: unknown }
  /** Whole, but a newer program's: this one cannot tell what it means. */
  | { readonly kind: 'unknown-kind'; readonly seq: number; readonly found: string };

/** Checks entries as one chain behind `head`; null when it is whole. */
export function verifyChain(
  entries: readonly Entry[],
  digest: Digest,
  head: { seq: number; hash: string } | null = null,
): ChainBreak | null {
  let seq = head?.seq ?? 0;
  let prev = head?.hash ?? GENESIS_HASH;
  for (const entry of entries) {
    if (entry.schema !== JOURNAL_SCHEMA)
      return { kind: 'unknown-schema', seq: entry.seq, schema: entry.schema };
    if (entry.seq !== seq + 1) return { kind: 'gap', expected: seq + 1, found: entry.seq };
    if (entry.prev !== prev) return { kind: 'unlinked', seq: entry.seq };
    const { hash, ...unsealed } = entry;
    if (digest(canonicalJson(unsealed)) !== hash) return { kind: 'altered', seq: entry.seq };
    if (!Object.hasOwn(KNOWN_KINDS, entry.body.kind))
      return { kind: 'unknown-kind', seq: entry.seq, found: entry.body.kind };
    seq = entry.seq;
    prev = hash;
  }
  return null;
}
