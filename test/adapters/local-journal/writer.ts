/**
 * Appends as many entries as its second argument says to the folder in its first, or until it is killed. Where somebody
 * else was faster it reads on and appends behind them. Says `started` on stdout after its first entry.
 */
import { readVerified, sha256Hex } from '../../../src/adapters/local-journal/chain.ts';
import { localJournal } from '../../../src/adapters/local-journal/local-journal.ts';
import { type Entry, sealEntry } from '../../../src/domain/journal.ts';
import { draft } from '../../fakes/journal-entries.ts';

const [, , folder = '', count = '0'] = process.argv;
const store = localJournal({ folder, clock: { now: () => 0, sleep: async () => undefined } });

async function readHead(): Promise<Entry | null> {
  const read = await readVerified(store);
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  return read.value.at(-1) ?? null;
}

let head = await readHead();
for (let done = 0; done < Number(count); ) {
  const reason = `${process.pid}/${done} ${'x'.repeat(5_000)}`;
  const entry = sealEntry(head, draft({ kind: 'wave-started', wave: done }, { reason }), sha256Hex);
  const appended = await store.append(entry);
  if (appended.ok) {
    head = entry;
    if (done++ === 0) process.stdout.write('started\n');
  } else if (appended.error.kind === 'conflict') {
    head = await readHead();
  } else {
    throw new Error(JSON.stringify(appended.error));
  }
}
