/** What came of one order at one host, in the words that decisions are made in. */
import type { Sha256 } from './artifact.ts';

/**
 * How an SSH attempt ended short of an answer. `unknown` and `timed-out` may have acted; the others certainly did not, and
 * `cancelled` says nothing about the host: it was called off before anything was sent.
 */
export type NoAnswerKind =
  | 'cancelled'
  | 'unreachable'
  | 'denied'
  | 'host-key-mismatch'
  | 'host-key-unknown'
  | 'sudo-refused'
  | 'delivery-failed'
  | 'timed-out'
  | 'unknown';

/** Why a host could not be changed though it answered. Nothing on it was changed. */
export type BlockedKind =
  | 'busy'
  | 'dpkg-locked'
  | 'no-space'
  | 'digest-mismatch'
  | 'missing-package'
  | 'drifted'
  | 'fenced'
  | 'wrong-host'
  | 'identity-unknown'
  /** The way back that the host would take by itself could not be armed, so that nothing was installed. */
  | 'arm-failed'
  | 'unsupported';

/** How the change itself went wrong on the host: counted against the version. */
export type FailureKind = 'install-failed' | 'start-failed' | 'proof-failed' | 'crashed';

export type HostOutcome =
  /** What should run was proven to run (or to be installed, where an operator had stopped the service). */
  | {
      readonly kind: 'verified';
      readonly sha256: Sha256;
      readonly packageVersion: string;
      readonly service: 'running' | 'left-stopped';
      /** The host goes back by itself so much later unless it hears from us, ms; absent: it is not armed. */
      readonly armedMs?: number;
      /** The host said that a hold keeps the agent stopped; absent: it did not. */
      readonly held?: true;
    }
  /** The version stays: what the host would have done by itself is called off. */
  | { readonly kind: 'confirmed' }
  /** Still armed, and now waits so much longer, ms. */
  | { readonly kind: 'renewed'; readonly armedMs: number }
  /** Heard from nobody in time and put the previous version back by itself, proven there; `note` is what it left behind. */
  | {
      readonly kind: 'went-back';
      readonly sha256: Sha256;
      readonly packageVersion: string;
      readonly service: 'running' | 'left-stopped';
      /** By the host's clock, ms since the epoch; null: it does not tell. */
      readonly at: number | null;
      readonly note: string;
    }
  /** The previous version was proven again. */
  | {
      readonly kind: 'reverted';
      readonly sha256: Sha256;
      readonly packageVersion: string;
      readonly service: 'running' | 'left-stopped';
      /** What that took besides, such as where the agent's database was moved to and what that costs; absent: nothing. */
      readonly note?: string;
    }
  | {
      readonly kind: 'failed';
      readonly failure: FailureKind;
      readonly step: string;
      readonly message: string;
      /** The package is in order, and the service was running and is stopped: by somebody, or it ended without an error. */
      readonly overridden?: true;
    }
  | { readonly kind: 'blocked'; readonly why: BlockedKind; readonly message: string }
  | { readonly kind: 'no-answer'; readonly why: NoAnswerKind; readonly message: string }
  /** The VM is no longer there, says the inventory. */
  | { readonly kind: 'gone' }
  /** Asked again after an unknown outcome: still on the previous version, untouched. */
  | { readonly kind: 'still-previous' };
