/**
 * The journal as objects, one an entry, each created only if its number is free.
 *
 * O1  Of two writers of one number exactly one creates the object; the other is told `conflict` (J1).
 * O2  A reply that was lost is no conflict: the object is read back, and if it holds this very entry, it is written (L3 of ledger.ts).
 * O3  Entry N+1 is not written where entry N is not known to stand. What this process has read or written stands; anything else is
 *     asked for first.
 * O4  Entries are never changed or removed. Packs (journal-packs.ts) only make reading fast.
 *
 * Reading behind an entry looks from that entry on: that one behind it were taken away shows to whoever reads from the beginning.
 */
import { canonicalJson, type Entry } from '../../../domain/journal.ts';
import { entryText } from '../../../domain/journal-text.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { JournalError, JournalStore } from '../../../ports/journal.ts';
import { entryName } from './journal-entry.ts';
import { corrupt, failureOf } from './journal-failure.ts';
import { type Listing, listEntries, readEach, readEntry } from './journal-listing.ts';
import { listPacks, PACK_SIZE, type PackedEntry, packStart, readPack, writePack } from './journal-packs.ts';
import type { Objects } from './objects.ts';

/** Of how many entries a pack must spare the reading. */
const PACK_PAYS = 8;

export function gcsJournal({ objects }: { readonly objects: Objects; readonly clock: Clock }): JournalStore {
  /** Highest number that is known to stand in the bucket. */
  let known = 0;
  /** First numbers of full packs that are not there yet. */
  const unpacked = new Set<number>();
  let isPacking = false;

  async function read(after: number): Promise<Result<readonly Entry[], JournalError>> {
    const listed = await listEntries(objects, after, Math.max(known, after));
    if (!listed.ok) return listed;
    const listing = listed.value;
    const last = [...listing.keys()].reduce((a, b) => Math.max(a, b), 0);
    known = Math.max(known, last);
    const found = new Map<number, Entry>();
    const firsts = packsFor(after, last);
    const packs = await listPacks(objects, firsts);
    await readEach([...(packs ?? [])], async ([first, facts]) => {
      for (const one of await readPack(objects, first, facts))
        if (fits(one, listing)) found.set(one.seq, one.entry);
      return ok(undefined);
    });
    if (packs !== null) for (const first of firsts) if (!packs.has(first)) unpacked.add(first);
    const single = range(after + 1, last).filter((seq) => !found.has(seq));
    const done = await readEach(single, async (seq) => {
      const one = await readEntry(objects, seq, listing.get(seq));
      if (one.ok) found.set(seq, one.value.entry);
      return one.ok ? ok(undefined) : one;
    });
    return done.ok ? ok(range(after + 1, last).map((seq) => found.get(seq) as Entry)) : done;
  }

  async function append(entry: Entry): Promise<Result<void, JournalError>> {
    const { seq } = entry;
    if (seq > 1 && seq - 1 > known) {
      const before = await objects.facts(entryName(seq - 1));
      if (!before.ok) {
        return err(
          before.error.kind === 'not-found'
            ? corrupt(objects.label, seq - 1, `it is missing, and entry ${seq} is to follow it`)
            : failureOf(`look for entry ${seq - 1}`, objects.label, before.error),
        );
      }
    }
    const created = await objects.create(entryName(seq), new TextEncoder().encode(entryText(entry)), {
      contentType: 'application/json',
      metadata: { seq: String(seq), hash: entry.hash },
    });
    if (!created.ok && created.error.kind !== 'precondition')
      return err(failureOf(`write entry ${seq}`, objects.label, created.error));
    known = Math.max(known, seq);
    if (!created.ok) {
      const there = await readEntry(objects, seq);
      if (!there.ok) return there;
      if (canonicalJson(there.value.entry) !== canonicalJson(entry)) return err({ kind: 'conflict', seq });
    }
    if (seq % PACK_SIZE === 0) unpacked.add(packStart(seq));
    packBeside();
    return ok(undefined);
  }

  /** Beside the work, one pack an append: also those that another process died before writing. */
  function packBeside(): void {
    const [first] = unpacked;
    if (isPacking || first === undefined) return;
    isPacking = true;
    unpacked.delete(first);
    void pack(first).then((isWritten) => {
      isPacking = false;
      // Whatever stands in the way would stand in the way of the others.
      if (!isWritten) unpacked.clear();
    });
  }

  /** Packs what stands in the bucket, not what this process believes to have written. */
  async function pack(first: number): Promise<boolean> {
    const last = first + PACK_SIZE - 1;
    const entries: PackedEntry[] = [];
    const done = await readEach(range(first, last), async (seq) => {
      const one = await readEntry(objects, seq);
      if (one.ok) entries.push({ seq, ...one.value });
      return one.ok ? ok(undefined) : one;
    });
    return (
      done.ok &&
      writePack(
        objects,
        entries.sort((a, b) => a.seq - b.seq),
      )
    );
  }

  return { read, append };
}

/** K1 of journal-packs.ts. */
function fits({ seq, generation, entry }: PackedEntry, listing: Listing): boolean {
  const own = listing.get(seq);
  return own !== undefined && own.generation === generation && own.metadata['hash'] === entry.hash;
}

/** First numbers of the packs that are worth reading. */
function packsFor(after: number, last: number): number[] {
  const firsts: number[] = [];
  for (let first = packStart(after + 1); first + PACK_SIZE - 1 <= last; first += PACK_SIZE)
    if (first + PACK_SIZE - Math.max(first, after + 1) >= PACK_PAYS) firsts.push(first);
  return firsts;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}
