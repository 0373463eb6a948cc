/**
 * The lease as one object, `lease.json`, taken and renewed by its generation.
 *
 * G1  It is taken, renewed and given back by compare-and-set on the object's generation: of many contenders exactly one succeeds, and
 *     a holder that wakes up late and a contender never both believe that they hold it.
 * G2  Whoever could not renew counts it as lost two seconds before others may take it: ttl less the margin after it last began a try
 *     to renew that is known to have succeeded, whatever hangs and however its wall clock jumps (lease-life.ts); others wait a whole
 *     ttl after the server wrote that renewal, by the server's clock. No machine's clock is compared with another's.
 * G3  A reply that was lost is no loss: the object is read back, a token of 128 random bits tells whose it is, and a number which of
 *     its tries it was.
 * G4  An object that was given back stays, so that epochs rise for ever. If somebody takes it away, the next epoch is behind the
 *     newest in the journal beside it.
 * G5  An object that cannot be understood is somebody's who may be alive: held for one ttl after it was written.
 * G6  A holder known to have ended is no holder: only where its mark names boot, pid namespace and start of the process, all of this
 *     machine. Everybody else's lease lapses.
 *
 * Whoever acts on a lease is fenced by the journal besides (J1).
 */
import { randomUUID } from 'node:crypto';
import type { Actor } from '../../../domain/journal.ts';
import { err, ok, type Result, unreachable } from '../../../domain/result.ts';
import type { Clock } from '../../../ports/clock.ts';
import { type Lease, type LeaseError, type LeaseHolder, unreadableHolder } from '../../../ports/lease.ts';
import type { ProcessMark, ProcessTable } from '../../../ports/process-table.ts';
import { newestEpoch } from './journal-listing.ts';
import { type Holding, heldLease } from './lease-held.ts';
import { type Life, lifeOf } from './lease-life.ts';
import {
  epochBeside,
  type FoundLease,
  foundLease,
  holderOf,
  LEASE_NAME,
  type LeaseRecord,
  newRecord,
  recordBytes,
  recordOptions,
} from './lease-record.ts';
import type { ObjectError, ObjectFacts, Objects } from './objects.ts';

/** Three heartbeats of ten seconds; a bucket that is out of reach for longer is a partition. */
export const DEFAULT_TTL_MS = 30_000;

/** G2. The server's clock is known to whole seconds; another second for what its machines differ by and for late timers. */
const MARGIN_MS = 2_000;

/** Lost races after which contention is called an error: each lost race is somebody else's success. */
const MOST_ATTEMPTS = 16;

/** Deadline of the write that takes it, ms. */
const TAKE_MS = 10_000;

export interface GcsLeaseOptions {
  readonly objects: Objects;
  readonly clock: Clock;
  /** This machine's name and this process, for others to see who holds it. */
  readonly hostname: string;
  readonly pid: number;
  /** Default 30 s. A contender waits for as long as the holder said. */
  readonly ttlMs?: number;
  /** Tells whether a holder on this machine has ended (G6). Absent: its lease lapses, as everybody's. */
  readonly processes?: ProcessTable;
}

type Taken = Omit<Holding, 'objects' | 'clock' | 'lifeMs'>;

type Standing =
  /** Nobody has had it, or it was given back. */
  | { readonly kind: 'free' }
  /** Its holder let it expire, or is known to have ended. */
  | { readonly kind: 'lapsed'; readonly holder: LeaseHolder }
  | { readonly kind: 'held'; readonly holder: LeaseHolder };

export function gcsLease(options: GcsLeaseOptions): Lease {
  const { objects, clock, hostname, pid, ttlMs = DEFAULT_TTL_MS, processes } = options;
  const lifeMs = ttlMs - MARGIN_MS;
  const own = async (): Promise<ProcessMark> => processes?.mark(hostname, pid) ?? { hostname, pid };

  async function find(): Promise<Result<FoundLease, ObjectError>> {
    const read = await objects.read(LEASE_NAME);
    if (read.ok) return ok(foundLease(read.value.facts, read.value.bytes));
    return read.error.kind === 'not-found' ? ok({ kind: 'none' }) : read;
  }

  async function standingOf(found: FoundLease, here: ProcessMark): Promise<Standing> {
    switch (found.kind) {
      case 'none':
        return { kind: 'free' };
      case 'unreadable': {
        const { facts } = found;
        const until = facts.writtenAt + ttlMs;
        const why = 'the lease’s object cannot be understood';
        const holder = unreadableHolder(why, epochBeside(facts), facts.writtenAt, until);
        return { kind: hasPassed(until) ? 'lapsed' : 'held', holder };
      }
      case 'record': {
        const { record, facts } = found;
        if (record.released) return { kind: 'free' };
        const holder = holderOf(record, facts.writtenAt);
        const lapsed = hasPassed(holder.expiresAt) || (await hasEnded(record.process, here));
        return { kind: lapsed ? 'lapsed' : 'held', holder };
      }
      default:
        return unreachable(found);
    }
  }

  /** By the server's clock alone, which gives whole seconds that have passed: too late by up to one, never too early (G2). */
  function hasPassed(at: number): boolean {
    const now = objects.serverNow();
    return now !== null && now >= at;
  }

  /** G6. */
  async function hasEnded(mark: ProcessMark, here: ProcessMark): Promise<boolean> {
    const isCertain =
      mark.bootId !== undefined && mark.pidNamespace !== undefined && mark.startTicks !== undefined;
    return isCertain && (await processes?.hasEnded(mark, here)) === true;
  }

  /** G4. */
  async function epochAfter(found: FoundLease): Promise<Result<number, string>> {
    if (found.kind === 'record') return ok(found.record.epoch + 1);
    const journaled = await newestEpoch(objects);
    if (!journaled.ok)
      return err(journaled.error.kind === 'conflict' ? 'the journal changed' : journaled.error.message);
    return ok(Math.max(journaled.value, found.kind === 'none' ? 0 : epochBeside(found.facts)) + 1);
  }

  /** `begin` starts the life of what is about to be written. */
  async function take(actor: Actor, force: boolean, begin: () => Life): Promise<Result<Taken, LeaseError>> {
    const here = await own();
    const token = randomUUID();
    /** Written last; whatever was answered, it may stand (G3). */
    let sent: (Omit<Taken, 'generation'> & { readonly error: ObjectError }) | null = null;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
      const found = await find();
      if (!found.ok) return err(unavailable('read it', found.error.message));
      if (sent !== null && found.value.kind === 'record' && found.value.record.token === token)
        return ok({ ...sent, generation: found.value.facts.generation });
      if (sent !== null && !['precondition', 'not-found'].includes(sent.error.kind))
        return err(unavailable('take it', sent.error.message));
      const before = await standingOf(found.value, here);
      if (before.kind === 'held' && !force) return err(before);
      const epoch = await epochAfter(found.value);
      if (!epoch.ok) return err(unavailable('tell its next epoch', epoch.error));
      const life = begin();
      const since = objects.serverNow() ?? clock.now();
      const record = newRecord({ epoch: epoch.value, actor, process: here, token, since, ttlMs });
      const takenFrom = before.kind === 'free' ? null : before.holder;
      const written = await write(found.value, record);
      if (written.ok) return ok({ record, life, takenFrom, generation: written.value.generation });
      sent = { record, life, takenFrom, error: written.error };
    }
    return err(unavailable('take it', `lost the race for it ${MOST_ATTEMPTS} times; run the command again`));
  }

  /** G1. */
  function write(over: FoundLease, record: LeaseRecord): Promise<Result<ObjectFacts, ObjectError>> {
    const bytes = recordBytes(record);
    const how = recordOptions(record, TAKE_MS);
    return over.kind === 'none'
      ? objects.create(LEASE_NAME, bytes, how)
      : objects.replace(LEASE_NAME, bytes, over.facts.generation, how);
  }

  function unavailable(what: string, why: string): LeaseError {
    return { kind: 'unavailable', message: `lease ${objects.label}/${LEASE_NAME}: cannot ${what}: ${why}` };
  }

  return {
    ttlMs,
    async acquire(actor, { force = false } = {}) {
      const begun: { life: Life; youth: Life }[] = [];
      const got = await take(actor, force, () => {
        const life = lifeOf(clock, lifeMs);
        begun.push({ life, youth: lifeOf(clock, ttlMs / 3) });
        return life;
      });
      const isLate = begun.at(-1)?.youth.isOver() === true;
      for (const { life, youth } of begun) {
        youth.end();
        if (!got.ok || life !== got.value.life) life.end();
      }
      if (!got.ok) return got;
      const held = heldLease({ objects, clock, lifeMs, ...got.value });
      // Known so late to be ours that it could be over before its first heartbeat.
      if (isLate && (await held.renew()) === 'lost')
        return err(unavailable('take it', 'the bucket answered too late'));
      return ok(held);
    },
    async holder() {
      const found = await find();
      if (found.ok) {
        const standing = await standingOf(found.value, await own());
        return standing.kind === 'held' ? standing.holder : null;
      }
      const now = clock.now();
      const why = `the lease ${objects.label}/${LEASE_NAME} cannot be read: ${found.error.message}`;
      return unreadableHolder(why, 0, now, now + ttlMs);
    },
  };
}
