/**
 * Leases in memory: one shared record, as many contenders as a test wants, and processes that can be killed.
 *
 * Same rules as the folder of `src/adapters/local-lease`: epochs rise by one with every holder, a lapsed, released or
 * dead holder's lease is free, a taken one is `lost` for the holder before.
 */
import { err, ok } from '../../src/domain/result.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { HeldLease, Lease, LeaseHolder } from '../../src/ports/lease.ts';
import { CrashError } from './crash-error.ts';

export type LeaseFault =
  | { readonly on: 'acquire'; readonly kind: 'unavailable' }
  /** The process is killed; `crash-after`: it holds the lease and does not know. */
  | { readonly on: 'acquire'; readonly kind: 'crash-before' | 'crash-after' }
  /** The renewal does not get through: the holder keeps what it has until that lapses, then it is lost. */
  | { readonly on: 'renew'; readonly kind: 'unavailable' }
  | { readonly on: 'renew'; readonly kind: 'crash-before' }
  /** There may be a holder, and nobody can read who. */
  | { readonly on: 'holder'; readonly kind: 'unreadable' };

export interface MemoryLeases {
  /** The lease as one process sees it. `pid` default 1. */
  of(pid?: number): Lease;
  /** The process is gone, and known to be: its lease is free at once. */
  kill(pid: number): void;
  failNext(fault: LeaseFault): void;
  /** Epoch of the newest holder, released or not; 0 before the first. */
  readonly epoch: number;
}

interface Stored extends LeaseHolder {
  readonly released: boolean;
}

export function memoryLeases(clock: Clock, ttlMs = 30_000): MemoryLeases {
  let newest: Stored | null = null;
  const dead = new Set<number>();
  const queue: LeaseFault[] = [];

  const fault = (on: LeaseFault['on']): LeaseFault | undefined => {
    const index = queue.findIndex((f) => f.on === on);
    return index >= 0 ? queue.splice(index, 1)[0] : undefined;
  };
  const live = (): LeaseHolder | null =>
    newest && !newest.released && clock.now() < newest.expiresAt && !dead.has(newest.pid)
      ? shown(newest)
      : null;

  function held(epoch: number, takenFrom: LeaseHolder | null): HeldLease {
    let over = false;
    const mine = (): Stored | null => (!over && newest?.epoch === epoch && !newest.released ? newest : null);
    return {
      epoch,
      ...(takenFrom ? { takenFrom } : {}),
      async renew() {
        const shownFault = fault('renew');
        if (shownFault?.kind === 'crash-before') throw new CrashError('before renewing the lease');
        const own = mine();
        if (own && !shownFault) {
          newest = { ...own, expiresAt: clock.now() + ttlMs };
          return 'held';
        }
        over = !(own && clock.now() < own.expiresAt);
        return over ? 'lost' : 'held';
      },
      async release() {
        const own = mine();
        if (own) newest = { ...own, released: true, expiresAt: 0 };
      },
    };
  }

  const of = (pid = 1): Lease => ({
    ttlMs,
    async acquire(actor, options) {
      const shownFault = fault('acquire');
      if (shownFault?.kind === 'unavailable')
        return err({ kind: 'unavailable', message: 'the lease in memory does not answer' });
      if (shownFault?.kind === 'crash-before') throw new CrashError('before taking the lease');
      const holder = live();
      if (holder && !options?.force) return err({ kind: 'held', holder });
      const before = newest && !newest.released ? shown(newest) : null;
      const now = clock.now();
      newest = {
        actor,
        pid,
        epoch: (newest?.epoch ?? 0) + 1,
        since: now,
        expiresAt: now + ttlMs,
        released: false,
      };
      if (shownFault) throw new CrashError('after taking the lease');
      return ok(held(newest.epoch, before));
    },
    async holder() {
      return fault('holder') === undefined ? live() : unreadableHolder(clock.now(), ttlMs);
    },
  });

  return {
    of,
    kill: (pid) => {
      dead.add(pid);
    },
    failNext: (f) => {
      queue.push(f);
    },
    get epoch() {
      return newest?.epoch ?? 0;
    },
  };
}

function unreadableHolder(now: number, ttlMs: number): LeaseHolder {
  return {
    actor: { user: 'unknown', hostname: 'unknown', command: '(cannot be read)' },
    pid: 0,
    epoch: 0,
    since: now,
    expiresAt: now + ttlMs,
    unreadable: 'the lease in memory cannot be read',
  };
}

function shown({ actor, pid, epoch, since, expiresAt }: Stored): LeaseHolder {
  return { actor, pid, epoch, since, expiresAt };
}
