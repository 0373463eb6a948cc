/** What the use cases of the lifecycle are asked and what they answer; each in a file of its own beside this one. */

import type { Host } from '../domain/host.ts';
import type {
  HoldTerms,
  LifecycleOutcome,
  LifecycleVerb,
  NamedHost,
  RoleFileChange,
} from '../domain/lifecycle.ts';
import type { LeftOutTarget } from '../domain/select-hosts.ts';
import type { Polarity } from '../domain/selection.ts';
import type { PlannedRoleFileEdit } from '../ports/role-files.ts';

export type { StatusAnswer, StatusAnswers } from '../domain/agent-status.ts';
export type { LeftOutTarget } from '../domain/select-hosts.ts';
export type { Polarity, Selection } from '../domain/selection.ts';

/** Where the list of VMs comes from. */
export type InventoryUsed =
  | { readonly kind: 'listed'; readonly at: number }
  /** The cloud did not answer, or not for all: what is missing is from the last time it did. */
  | {
      readonly kind: 'last-known';
      readonly at: number;
      readonly from: 'this-machine' | 'journal';
      readonly why: string;
    }
  | {
      readonly kind: 'listed-in-part';
      readonly at: number;
      /** Of when the hosts in unknown zones are; null: there are none known. */
      readonly restAt: number | null;
      readonly unknownZones: readonly { readonly zone: string; readonly why: string }[];
    };

export interface Targets {
  readonly environment: string;
  readonly inventory: InventoryUsed;
  readonly chosen: readonly Host[];
  /** Matched by the selection, but not to be touched; each with its reason. */
  readonly leftOut: readonly LeftOutTarget[];
  /** Whether they are meant could not be learned, since they did not tell their version or state: a sentence each. */
  readonly unknown: readonly { readonly host: Host; readonly why: string }[];
  /** Words of --host and --except that name nobody here. */
  readonly unmatched: readonly string[];
}

export interface LifecycleRequest {
  /** Names the action everywhere: `stop-m8x2k1-4f21`. */
  readonly actionId: string;
  readonly verb: LifecycleVerb;
  /** Of enable and disable: with a start or a stop. */
  readonly now: boolean;
  readonly polarity: Polarity;
  readonly hosts: readonly Host[];
  /** Of when the list of hosts is, ms since the epoch. */
  readonly inventoryAt: number;
  /** Of what stops: the hold that it leaves behind; null: none. */
  readonly hold: HoldTerms | null;
  /** For one attempt at one host, ms. */
  readonly timeoutMs: number;
  /** No new attempt begins later than this after the beginning, ms; null: until all are covered. */
  readonly deadlineMs: number | null;
  /** After a stop: when to look again, ms; 0: not at all. */
  readonly settleMs: number;
  readonly reason: string;
  /** Every host of the environment is meant, so that what all of them follow may be changed as well. Absent: false. */
  readonly wholeFleet?: boolean;
  /** What has been shown of it and agreed to; absent: it is planned when the action begins. */
  readonly roleFiles?: RoleFilePlan;
}

/** What an action changes in files of checkouts. Nothing has been changed yet. */
export interface RoleFilePlan {
  readonly edits: readonly PlannedRoleFileEdit[];
  /** What stops have changed and these edits take back. */
  readonly undoes: readonly RoleFileChange[];
  /** What stops have changed and somebody else has since: among `failed` once, then off the journal's list. Absent: none. */
  readonly givenUp?: readonly RoleFileChange[];
  /** What cannot be planned: each is of kind `failed`. */
  readonly failed: readonly RoleFileReport[];
  /** What a person should know, a sentence each without its end mark: why files are left alone. */
  readonly notes: readonly string[];
}

export interface HostReport {
  readonly host: Host;
  readonly outcome: LifecycleOutcome;
  readonly attempts: number;
  readonly tookMs: number;
  /** When the last attempt ended, ms since the epoch; absent: there was none. */
  readonly at?: number;
}

export interface RoleFileReport {
  readonly name: string;
  readonly file: string;
  readonly result:
    | { readonly kind: 'changed'; readonly diff: string; readonly change: RoleFileChange }
    | { readonly kind: 'already-so' }
    | { readonly kind: 'failed'; readonly message: string };
}

export interface LifecycleReport {
  readonly environment: string;
  readonly actionId: string;
  readonly verb: LifecycleVerb;
  /** Every host that was meant, in the order of their names. */
  readonly hosts: readonly HostReport[];
  /**
   * `done`: every host is covered, and stayed so. `incomplete`: `notCovered` are not. `halted`: a gate or too many failures stopped it
   * between waves. `interrupted`: somebody called it off.
   */
  readonly end: 'done' | 'incomplete' | 'halted' | 'interrupted';
  /** Why it halted; empty otherwise. */
  readonly why: string;
  /** Not done, or not known to be done; those never begun are among them. */
  readonly notCovered: readonly { readonly host: Host; readonly why: string }[];
  /** Null: there was no second look. */
  readonly settled: {
    readonly stayedDown: number;
    readonly startedAgain: readonly NamedHost[];
    readonly unseen: readonly NamedHost[];
  } | null;
  /** What became of a rollout under way; null: there was none, or nobody could tell. */
  readonly rollout: {
    readonly id: string;
    readonly version: string;
    readonly did: 'paused' | 'left-rolling-back' | 'was-stopped';
  } | null;
  /** Where its entries are. `waiting`: on this machine, sent by the next command here when the journal answers. */
  readonly record:
    | { readonly kind: 'journal' }
    | { readonly kind: 'waiting'; readonly entries: number; readonly why: string }
    | { readonly kind: 'lost'; readonly why: string };
  readonly roleFiles: readonly RoleFileReport[];
  readonly tookMs: number;
}
