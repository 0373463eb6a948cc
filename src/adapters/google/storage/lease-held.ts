/** A lease while it is held: heartbeats and the end of it. Invariants G2, G3 and G4 are lease.ts'. */
import type { Clock } from '../../../ports/clock.ts';
import type { HeldLease, LeaseHolder } from '../../../ports/lease.ts';
import { foundLease, LEASE_NAME, type LeaseRecord, recordBytes, recordOptions } from './lease-record.ts';
import type { Objects } from './objects.ts';

export interface Holding {
  readonly objects: Objects;
  readonly clock: Clock;
  readonly record: LeaseRecord;
  readonly generation: string;
  /** When its writing was begun, by this machine's clock: the server wrote it no earlier. */
  readonly sentAt: number;
  /** How much sooner than others the holder counts it as lost, ms. */
  readonly marginMs: number;
  readonly takenFrom: LeaseHolder | null;
}

/** A try to renew takes no longer, ms: two fit between two heartbeats. */
const TRY_MS = 4_000;

/** Between two tries of one heartbeat, ms. An object takes about one write a second. */
const PAUSE_MS = 1_000;

/** How long giving it back may hold up the end of a command, ms. */
const RELEASE_MS = 5_000;

/** How often our own object may have another generation than we know: a reply of each heartbeat was lost. */
const MOST_READS_BACK = 3;

type Written = 'written' | 'taken' | 'no-answer';

export function heldLease({ objects, clock, marginMs, takenFrom, ...first }: Holding): HeldLease {
  const { epoch, token, ttlMs } = first.record;
  let { record, generation, sentAt } = first;
  let over = false;
  /** Newest time seen since then: a clock that was put back cannot tell how long the lease has been without renewal. */
  let latest = sentAt;
  // One at a time: a heartbeat that ends after the release would take the lease again.
  let busy: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const turn = busy.then(run);
    busy = turn.catch(() => undefined);
    return turn;
  };

  /** Compare and set; finds its own writing again after lost replies, this heartbeat's or an earlier one's. */
  async function write(next: LeaseRecord, timeoutMs: number): Promise<Written> {
    const begun = clock.now();
    const bytes = recordBytes(next);
    for (let turn = 0; turn < MOST_READS_BACK; turn += 1) {
      const replaced = await objects.replace(LEASE_NAME, bytes, generation, recordOptions(next, timeoutMs));
      if (replaced.ok) {
        [record, generation, sentAt, latest] = [next, replaced.value.generation, begun, begun];
        return 'written';
      }
      // A person who took the object away meant to end this.
      if (replaced.error.kind === 'not-found') return 'taken';
      if (replaced.error.kind !== 'precondition') return 'no-answer';
      const read = await objects.read(LEASE_NAME);
      if (!read.ok) return read.error.kind === 'not-found' ? 'taken' : 'no-answer';
      const found = foundLease(read.value.facts, read.value.bytes);
      if (found.kind !== 'record' || found.record.token !== token) return 'taken';
      generation = found.facts.generation;
      if (found.record.beat !== next.beat || found.record.released !== next.released) continue;
      [record, sentAt, latest] = [next, begun, begun];
      return 'written';
    }
    return 'no-answer';
  }

  /** Until it counts as lost if it cannot be renewed, ms (G2). */
  function left(): number {
    const now = clock.now();
    if (now < latest) return 0;
    latest = now;
    return sentAt + ttlMs - marginMs - now;
  }

  /** G2: no answer counts as held only while the next heartbeat still comes in time to say `lost`. */
  async function renew(): Promise<'held' | 'lost'> {
    while (!over) {
      const before = left();
      // Past its end nobody may have come for it: one try tells.
      const done = await within(before > 0 ? before : TRY_MS, (timeoutMs) =>
        write({ ...record, beat: record.beat + 1 }, timeoutMs),
      );
      if (done === 'written') return 'held';
      const after = left();
      if (done === 'taken' || after <= 0) over = true;
      else if (after > ttlMs / 3 + TRY_MS) return 'held';
      else await clock.sleep(Math.min(PAUSE_MS, after));
    }
    return 'lost';
  }

  /** A request that hangs longer than it was allowed to is `no-answer` all the same. */
  async function within(limitMs: number, work: (timeoutMs: number) => Promise<Written>): Promise<Written> {
    const timeoutMs = Math.min(TRY_MS, limitMs);
    const done = new AbortController();
    const late = clock.sleep(limitMs, done.signal).then(() => 'no-answer' as const);
    const written = await Promise.race([work(timeoutMs), late]);
    done.abort();
    return written;
  }

  /** Not waited for longer than RELEASE_MS; it lapses by itself after one ttl. */
  async function release(): Promise<void> {
    if (over) return;
    over = true;
    await within(RELEASE_MS, (timeoutMs) =>
      write({ ...record, beat: record.beat + 1, released: true }, timeoutMs),
    );
  }

  return {
    epoch,
    ...(takenFrom === null ? {} : { takenFrom }),
    renew: () => inTurn(renew),
    release: () => inTurn(release),
  };
}
