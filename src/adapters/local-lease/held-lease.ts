/** A lease while it is held: heartbeats and the end of it. Invariants E2 and E3 are local-lease.ts'. */
import type { Clock } from '../../ports/clock.ts';
import type { HeldLease, LeaseHolder } from '../../ports/lease.ts';
import type { EpochRecord } from './epoch-file.ts';
import type { EpochFolder } from './epoch-folder.ts';

export interface Holding {
  readonly files: EpochFolder;
  readonly clock: Clock;
  readonly ttlMs: number;
  readonly record: EpochRecord;
  readonly takenFrom: LeaseHolder | null;
}

export function heldLease({ files, clock, ttlMs, record, takenFrom }: Holding): HeldLease {
  const { epoch } = record;
  let expiresAt = record.expiresAt;
  let over = false;
  // One at a time: a heartbeat that ends after the release would take the lease again.
  let busy: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const turn = busy.then(run);
    busy = turn.catch(() => undefined);
    return turn;
  };

  /** Our epoch is the newest and its file is there: a person who removed it meant to end this. */
  async function stillOurs(): Promise<boolean> {
    return (await files.epochs()).at(-1) === epoch;
  }

  async function renew(): Promise<'held' | 'lost'> {
    if (over) return 'lost';
    try {
      const until = clock.now() + ttlMs;
      let ours = await stillOurs();
      if (ours) {
        await files.rewrite({ ...record, expiresAt: until });
        ours = await stillOurs();
      }
      if (ours) {
        expiresAt = until;
        return 'held';
      }
      over = true;
      return 'lost';
    } catch {
      if (clock.now() < expiresAt) return 'held';
      // Told once that it is lost, the caller has stopped: it must not be held again behind their back.
      over = true;
      return 'lost';
    }
  }

  async function release(): Promise<void> {
    if (over) return;
    over = true;
    try {
      if (await stillOurs()) await files.rewrite({ ...record, expiresAt: 0, released: true });
    } catch {
      // It lapses by itself after one ttl, or at once when this process has ended.
    }
  }

  return {
    epoch,
    ...(takenFrom === null ? {} : { takenFrom }),
    renew: () => inTurn(renew),
    release: () => inTurn(release),
  };
}
