/** Appends entries to the folder in its argument until it is killed; says so on stdout after the first. */
import { readVerified, sha256Hex } from '../../../src/adapters/local-journal/chain.ts';
import { localJournal } from '../../../src/adapters/local-journal/local-journal.ts';
import { sealEntry } from '../../../src/domain/journal.ts';
import { draft } from '../../fakes/journal-entries.ts';

const store = localJournal({
  folder: process.argv[2] ?? '',
  clock: { now: () => 0, sleep: async () => undefined },
});
const read = await readVerified(store);
if (!read.ok) throw new Error(JSON.stringify(read.error));
let head = read.value.at(-1) ?? null;
for (let wave = 0; wave < 100_000; wave++) {
  const entry = sealEntry(
    head,
    draft({ kind: 'wave-started', wave }, { reason: 'x'.repeat(20_000) }),
    sha256Hex,
  );
  const appended = await store.append(entry);
  if (!appended.ok) throw new Error(JSON.stringify(appended.error));
  if (wave === 0) process.stdout.write('started\n');
  head = entry;
}
