/** A lease while it is held: heartbeats and the end of it. Invariants G2, G3 and G4 are lease.ts'. */
import type { Clock } from '../../../ports/clock.ts';
import type { HeldLease, LeaseHolder } from '../../../ports/lease.ts';
import { type Life, lifeOf } from './lease-life.ts';
import { foundLease, LEASE_NAME, type LeaseRecord, recordBytes, recordOptions } from './lease-record.ts';
import type { Objects } from './objects.ts';

export interface Holding {
  readonly objects: Objects;
  readonly clock: Clock;
  readonly record: LeaseRecord;
  readonly generation: string;
  /** Begun before it was written: the server wrote it no earlier. */
  readonly life: Life;
  /** Of a life, ms: sooner over than others may take it. */
  readonly lifeMs: number;
  readonly takenFrom: LeaseHolder | null;
}

/** A try to renew takes no longer, ms, whatever hangs: four fit between a heartbeat and the end of the life. */
const TRY_MS = 4_000;

/** Between two tries of one heartbeat, ms. An object takes about one write a second. */
const PAUSE_MS = 1_000;

/** How long giving it back may hold up the end of a command, ms. */
const RELEASE_MS = 5_000;

/** How often our own object may have another generation than we know: a reply of each try was lost. */
const MOST_READS_BACK = 3;

type Written = 'written' | 'taken' | 'no-answer';

export function heldLease({ objects, clock, lifeMs, takenFrom, ...first }: Holding): HeldLease {
  const { epoch, token } = first.record;
  let { generation, life } = first;
  let { beat } = first.record;
  let over = false;
  // One at a time: a heartbeat that ends after the release would take the lease again.
  let busy: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const turn = busy.then(run);
    busy = turn.catch(() => undefined);
    return turn;
  };

  /** Compare and set; finds its own writing again after replies that were lost, of this try or an earlier one. */
  async function swap(next: LeaseRecord, limitMs: number, given: AbortSignal): Promise<Written> {
    const bytes = recordBytes(next);
    for (let turn = 0; turn < MOST_READS_BACK; turn += 1) {
      const replaced = await objects.replace(LEASE_NAME, bytes, generation, recordOptions(next, limitMs));
      // Nobody waits any more: to go on now could undo what was done since, such as the release.
      if (given.aborted) return 'no-answer';
      if (replaced.ok) {
        generation = replaced.value.generation;
        return 'written';
      }
      // A person who took the object away meant to end this.
      if (replaced.error.kind === 'not-found') return 'taken';
      if (replaced.error.kind !== 'precondition') return 'no-answer';
      const read = await objects.read(LEASE_NAME);
      if (given.aborted) return 'no-answer';
      if (!read.ok) return read.error.kind === 'not-found' ? 'taken' : 'no-answer';
      const found = foundLease(read.value.facts, read.value.bytes);
      if (found.kind !== 'record' || found.record.token !== token) return 'taken';
      generation = found.facts.generation;
      // Another beat is an earlier try's, written before this one's life began: it renews nothing (G2).
      if (found.record.beat === next.beat) return 'written';
    }
    return 'no-answer';
  }

  /** One try, no longer than `limitMs` and than the present life. */
  async function write(change: Partial<LeaseRecord>, limitMs: number): Promise<Written> {
    // Whoever slept past its end still asks once: nobody may have come.
    const end = life.isOver() ? [] : [life.over];
    const fresh = lifeOf(clock, lifeMs);
    beat += 1;
    const given = new AbortController();
    const late = clock.sleep(limitMs, given.signal);
    const done = await Promise.race([
      swap({ ...first.record, ...change, beat }, limitMs, given.signal),
      late.then(() => 'no-answer' as const),
      ...end.map((ended) => ended.then(() => 'no-answer' as const)),
    ]);
    given.abort();
    if (done === 'written') {
      life.end();
      life = fresh;
    } else fresh.end();
    return done;
  }

  function finish(): void {
    over = true;
    life.end();
  }

  /** G2: tries until it is renewed, taken, or the life is over, and never says `held` on no answer. */
  async function renew(): Promise<'held' | 'lost'> {
    if (over) return 'lost';
    for (;;) {
      const done = await write({}, TRY_MS);
      if (done === 'written') return 'held';
      if (done === 'taken' || life.isOver()) break;
      const pause = new AbortController();
      await Promise.race([clock.sleep(PAUSE_MS, pause.signal), life.over]);
      pause.abort();
      if (life.isOver()) break;
    }
    // Told once that it is lost, the caller has stopped: it must not be held again behind their back.
    finish();
    return 'lost';
  }

  /** Not waited for longer than RELEASE_MS; it lapses by itself after one ttl. */
  async function release(): Promise<void> {
    if (over) return;
    over = true;
    await write({ released: true }, RELEASE_MS);
    finish();
  }

  return {
    epoch,
    ...(takenFrom === null ? {} : { takenFrom }),
    renew: () => inTurn(renew),
    release: () => inTurn(release),
  };
}
