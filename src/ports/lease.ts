/** Who may work on an environment: one holder at a time. */
import type { Actor } from '../domain/journal.ts';
import type { Result } from '../domain/result.ts';

export interface LeaseHolder {
  readonly actor: Actor;
  readonly pid: number;
  /** Rises by one with every holder; goes into the journal as the fence. */
  readonly epoch: number;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly expiresAt: number;
  /**
   * There is a holder, and why nobody can read who: a sentence without its end mark. Actor and pid only stand in then, and are
   * not to be shown. Absent: it was read.
   */
  readonly unreadable?: string;
}

export type LeaseError =
  | { readonly kind: 'held'; readonly holder: LeaseHolder }
  | { readonly kind: 'unavailable'; readonly message: string };

/** A lease that is held. */
export interface HeldLease {
  readonly epoch: number;
  /** Who held it before and let it lapse, if anybody. */
  readonly takenFrom?: LeaseHolder;
  /** Extends it; `lost` when somebody else has taken it. May be repeated. */
  renew(): Promise<'held' | 'lost'>;
  /** Gives it back. May be repeated; never throws. */
  release(): Promise<void>;
}

/** One holder an environment at a time. */
export interface Lease {
  /** Takes it if it is free, lapsed, or its holder is known dead; `force` takes it from a live one. */
  acquire(actor: Actor, options?: { readonly force?: boolean }): Promise<Result<HeldLease, LeaseError>>;
  /** Who holds it now; null when nobody. */
  holder(): Promise<LeaseHolder | null>;
  /** How long a lease lasts without renewal, ms. */
  readonly ttlMs: number;
}

/** Stands in for a holder that cannot be read: somebody may be working, so nobody else should. */
export function unreadableHolder(why: string, epoch: number, since: number, expiresAt: number): LeaseHolder {
  return {
    actor: { user: 'unknown', hostname: 'unknown', command: `(${why})` },
    pid: 0,
    epoch,
    since,
    expiresAt,
    unreadable: why,
  };
}
