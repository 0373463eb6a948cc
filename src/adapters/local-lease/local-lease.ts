/**
 * The lease as a folder, one file an epoch. The highest epoch is the present holder's.
 *
 * E1  Epoch N+1 is taken by creating its file, which fails where it exists: of many contenders exactly one gets it.
 * E2  A holder renews by writing its own file and then looking for a higher epoch; a contender takes by creating the
 *     higher epoch and then looking whether the lower one was renewed meanwhile. Whichever comes second sees the other,
 *     so a holder that wakes up late and a contender never both believe that they hold it.
 * E3  Whoever cannot see or write the folder keeps the lease until it lapses by its own clock, and not longer.
 * E4  A file that cannot be read is somebody's who may be alive: held for one ttl after its last change.
 *
 * Whoever acts on a lease is fenced by the journal besides (J1): clocks of two machines may disagree.
 */
import type { Actor } from '../../domain/journal.ts';
import { err, ok, type Result, unreachable } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import {
  type HeldLease,
  type Lease,
  type LeaseError,
  type LeaseHolder,
  unreadableHolder,
} from '../../ports/lease.ts';
import type { ProcessMark, ProcessTable } from '../../ports/process-table.ts';
import { type EpochRecord, holderOf, LEASE_SCHEMA } from './epoch-file.ts';
import { type EpochFolder, epochFolder, type FoundEpoch } from './epoch-folder.ts';
import { heldLease } from './held-lease.ts';
import { systemProcesses } from './process-table.ts';

/** Three missed heartbeats of ten seconds: longer than a slow disk or a busy machine stalls a process. */
export const DEFAULT_TTL_MS = 30_000;

/** Lost races after which contention is called an error: each lost race is somebody else's success. */
const MOST_ATTEMPTS = 16;

export interface LocalLeaseOptions {
  /** Absolute; made with mode 0700 when the lease is first taken. Nothing else may be kept in it. */
  readonly folder: string;
  readonly clock: Clock;
  /** This machine's name and this process, for others to see who holds it. */
  readonly hostname: string;
  readonly pid: number;
  /** Default 30 s. All that share a folder must use the same. */
  readonly ttlMs?: number;
  /** Default: this machine's own. */
  readonly processes?: ProcessTable;
}

export function localLease(options: LocalLeaseOptions): Lease {
  const { folder, clock, hostname, pid, ttlMs = DEFAULT_TTL_MS, processes = systemProcesses } = options;
  const files = epochFolder(folder);
  const judge = async (found: FoundEpoch, here: ProcessMark): Promise<Standing> =>
    standingOf(found, clock.now(), ttlMs, (mark) => processes.hasEnded(mark, here));

  async function take(actor: Actor, force: boolean): Promise<Result<HeldLease, LeaseError>> {
    await files.prepare(clock.now());
    const here = await processes.mark(hostname, pid);
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const found = await files.newest();
      const before = await judge(found, here);
      if (before.kind === 'held' && !force) return err(before);
      const now = clock.now();
      const record: EpochRecord = {
        schema: LEASE_SCHEMA,
        epoch: epochOf(found) + 1,
        actor,
        process: here,
        since: now,
        expiresAt: now + ttlMs,
        released: false,
      };
      if (!(await files.create(record))) continue;
      const rival = await rivalOf(files, found, record.epoch, force ? null : (again) => judge(again, here));
      if (rival !== null) {
        await files.remove(record.epoch);
        if (rival === 'newer-epoch') continue;
        return err({ kind: 'held', holder: rival });
      }
      await files.prune(record.epoch);
      return ok(
        heldLease({ files, clock, ttlMs, record, takenFrom: before.kind === 'free' ? null : before.holder }),
      );
    }
    return err({
      kind: 'unavailable',
      message: `lease ${folder}: lost the race for it ${MOST_ATTEMPTS} times; run the command again`,
    });
  }

  return {
    ttlMs,
    async acquire(actor, { force = false } = {}) {
      try {
        return await take(actor, force);
      } catch (cause) {
        return err({ kind: 'unavailable', message: `lease ${folder}: cannot take it: ${words(cause)}` });
      }
    },
    async holder() {
      try {
        const standing = await judge(await files.newest(), await processes.mark(hostname, pid));
        return standing.kind === 'held' ? standing.holder : null;
      } catch (cause) {
        const now = clock.now();
        return unreadableHolder(`the lease ${folder} cannot be read: ${words(cause)}`, 0, now, now + ttlMs);
      }
    },
  };
}

type Standing =
  /** Nobody has had it, or it was given back. */
  | { readonly kind: 'free' }
  /** Its holder let it expire, or is known to have ended. */
  | { readonly kind: 'lapsed'; readonly holder: LeaseHolder }
  | { readonly kind: 'held'; readonly holder: LeaseHolder };

async function standingOf(
  found: FoundEpoch,
  now: number,
  ttlMs: number,
  hasEnded: (mark: ProcessMark) => Promise<boolean>,
): Promise<Standing> {
  switch (found.kind) {
    case 'none':
      return { kind: 'free' };
    case 'unreadable': {
      const until = found.changedAt + ttlMs;
      const holder = unreadableHolder('the lease’s file cannot be read', found.epoch, found.changedAt, until);
      return { kind: now < until ? 'held' : 'lapsed', holder };
    }
    case 'record': {
      const { record } = found;
      if (record.released) return { kind: 'free' };
      const live = now < record.expiresAt && !(await hasEnded(record.process));
      return { kind: live ? 'held' : 'lapsed', holder: holderOf(record) };
    }
    default:
      return unreachable(found);
  }
}

/** Who has a better right than the epoch just created (E2): a newer epoch, or the holder before, who renewed meanwhile. */
async function rivalOf(
  files: EpochFolder,
  before: FoundEpoch,
  epoch: number,
  judge: ((found: FoundEpoch) => Promise<Standing>) | null,
): Promise<LeaseHolder | 'newer-epoch' | null> {
  // A contender that stood still may create an epoch that was pruned long ago, far below the present one.
  const highest = (await files.epochs()).at(-1) ?? 0;
  if (highest > epoch) return 'newer-epoch';
  if (judge === null || before.kind === 'none') return null;
  const again = await judge(await files.read(epochOf(before)));
  return again.kind === 'held' ? again.holder : null;
}

function epochOf(found: FoundEpoch): number {
  switch (found.kind) {
    case 'none':
      return 0;
    case 'unreadable':
      return found.epoch;
    case 'record':
      return found.record.epoch;
    default:
      return unreachable(found);
  }
}

/** Node's file system errors name call and path; anything else is a bug and goes on up. */
function words(cause: unknown): string {
  if (cause instanceof Error && 'code' in cause) return cause.message;
  throw cause;
}
