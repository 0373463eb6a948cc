/**
 * Which entries stand in the bucket, without gaps, and their content one by one.
 *
 * Cloud Storage lists what was written before, at once. A listing that lacks an entry is still not believed without asking for
 * that entry itself, since `it is missing` ends all work on the environment.
 */
import type { Entry } from '../../../domain/journal.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { JournalError } from '../../../ports/journal.ts';
import { ENTRY_PREFIX, entryName, parseEntry, seqOf } from './journal-entry.ts';
import { corrupt, failureOf } from './journal-failure.ts';
import type { ObjectFacts, Objects } from './objects.ts';

/** Requests under way at once: hides the network's delay, far below what a bucket serves (1,000 and more a second). */
const READS_AT_ONCE = 32;

/** Entries that a listing may lack before it is not worth asking for each. */
const MOST_PROBES = 64;

/** By number. Holds everything from the entry asked for up to the last, none missing. */
export type Listing = ReadonlyMap<number, ObjectFacts>;

/**
 * Entries from `from` on. `known`: the highest number that is known to have been written. One request where nothing is new, one
 * more for every thousand entries.
 */
export async function listEntries(
  objects: Objects,
  from: number,
  known: number,
): Promise<Result<Listing, JournalError>> {
  const first = Math.max(1, from);
  const listed = await objects.list({ prefix: ENTRY_PREFIX, startAt: entryName(first) });
  if (!listed.ok) return err(failureOf('list its entries', objects.label, listed.error));
  const bySeq = new Map<number, ObjectFacts>();
  for (const facts of listed.value) {
    const seq = seqOf(facts.name);
    if (seq !== null && seq >= first) bySeq.set(seq, facts);
  }
  const last = [...bySeq.keys()].reduce((a, b) => Math.max(a, b), known);
  let probes = 0;
  for (let seq = first; seq <= last; seq += 1) {
    if (bySeq.has(seq)) continue;
    probes += 1;
    if (probes > MOST_PROBES) return err(lagging(objects.label, seq, last));
    const there = await objects.facts(entryName(seq));
    if (!there.ok) {
      return err(
        there.error.kind === 'not-found'
          ? corrupt(objects.label, seq, `it is missing, though entry ${Math.max(last, seq)} was written`)
          : failureOf(`look for entry ${seq}`, objects.label, there.error),
      );
    }
    bySeq.set(seq, there.value);
  }
  return ok(bySeq);
}

function lagging(label: string, seq: number, last: number): JournalError {
  return {
    kind: 'unavailable',
    message: `journal ${label}: the bucket's listing lacks entry ${seq} and more, though they are there up to ${last}; try again`,
    retryable: true,
  };
}

export interface ReadEntry {
  readonly entry: Entry;
  readonly generation: string;
}

/** `known`, as a listing gave it, spares a request. If the object was replaced since, what stands there now is read. */
export async function readEntry(
  objects: Objects,
  seq: number,
  known?: ObjectFacts,
): Promise<Result<ReadEntry, JournalError>> {
  const name = entryName(seq);
  let read = await objects.read(name, known === undefined ? {} : { known });
  if (!read.ok && read.error.kind === 'not-found' && known !== undefined) read = await objects.read(name);
  if (!read.ok) {
    return err(
      read.error.kind === 'not-found'
        ? corrupt(objects.label, seq, 'its object vanished while the journal was read')
        : failureOf(`read entry ${seq}`, objects.label, read.error),
    );
  }
  const parsed = parseEntry(new TextDecoder().decode(read.value.bytes), seq);
  return parsed.ok
    ? ok({ entry: parsed.value, generation: read.value.facts.generation })
    : err(corrupt(objects.label, seq, parsed.error));
}

/** Runs `read` for each, a bounded number at once. Stops at the first failure, which it returns. */
export async function readEach<T, E>(
  items: readonly T[],
  read: (item: T) => Promise<Result<void, E>>,
): Promise<Result<void, E>> {
  let next = 0;
  const failures: E[] = [];
  const work = async (): Promise<void> => {
    while (failures.length === 0 && next < items.length) {
      const item = items[next] as T;
      next += 1;
      const done = await read(item);
      if (!done.ok) failures.push(done.error);
    }
  };
  await Promise.all(Array.from({ length: Math.min(READS_AT_ONCE, items.length) }, work));
  const [failure] = failures;
  return failure === undefined ? ok(undefined) : err(failure);
}

/**
 * The highest epoch under which an entry was written; 0 where there is none. Epochs rise along the journal, so the newest entry
 * that has one has the highest; requests of persons have none.
 */
export async function newestEpoch(objects: Objects): Promise<Result<number, JournalError>> {
  const listed = await listEntries(objects, 1, 0);
  if (!listed.ok) return listed;
  for (let seq = listed.value.size; seq >= 1; seq -= 1) {
    const read = await readEntry(objects, seq);
    if (!read.ok) return read;
    const { epoch } = read.value.entry;
    if (epoch !== undefined) return ok(epoch);
  }
  return ok(0);
}
