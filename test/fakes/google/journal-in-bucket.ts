/** Puts a whole journal into a bucket, packs included, in a few seconds where appending entry by entry would take many. */
import { entryName } from '../../../src/adapters/google/storage/journal-entry.ts';
import { readEach } from '../../../src/adapters/google/storage/journal-listing.ts';
import { PACK_SIZE, packStart, writePack } from '../../../src/adapters/google/storage/journal-packs.ts';
import type { Objects } from '../../../src/adapters/google/storage/objects.ts';
import type { Entry } from '../../../src/domain/journal.ts';
import { entryText } from '../../../src/domain/journal-text.ts';
import { ok } from '../../../src/domain/result.ts';

/** `entries` begin with number 1 and are written as they are, chain or not. Throws where the bucket refuses. */
export async function fillJournal(objects: Objects, entries: readonly Entry[]): Promise<void> {
  const generations = new Map<number, string>();
  await readEach(entries, async (entry) => {
    const made = await objects.create(entryName(entry.seq), Buffer.from(entryText(entry)), {
      contentType: 'application/json',
      metadata: { seq: String(entry.seq), hash: entry.hash },
    });
    if (!made.ok) throw new Error(`entry ${entry.seq}: ${made.error.message}`);
    generations.set(entry.seq, made.value.generation);
    return ok(undefined);
  });
  for (let first = 1; first + PACK_SIZE - 1 <= entries.length; first = packStart(first + PACK_SIZE)) {
    const packed = entries
      .slice(first - 1, first - 1 + PACK_SIZE)
      .map((entry) => ({ seq: entry.seq, entry, generation: generations.get(entry.seq) ?? '' }));
    if (!(await writePack(objects, packed))) throw new Error(`the pack from ${first} on was not written`);
  }
}
