/**
 * Appends as many entries as asked to a journal in a bucket, behind whatever others wrote. Its argument is a WriterOrder as JSON. Says `ready` on stdout, waits for a line on stdin, so that many start at once.
 */
import { once } from 'node:events';
import { systemClock } from '../../../../src/adapters/clock/system-clock.ts';
import { googleBucket } from '../../../../src/adapters/google/storage/bucket.ts';
import { gcsJournal } from '../../../../src/adapters/google/storage/journal.ts';
import { type Entry, sealEntry, verifyChain } from '../../../../src/domain/journal.ts';
import { draft, sha256 } from '../../../fakes/journal-entries.ts';

export interface WriterOrder {
  readonly url: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly keyFile: string;
  readonly count: number;
}

const { url, bucket, prefix, keyFile, count } = JSON.parse(process.argv[2] ?? '{}') as WriterOrder;
const objects = googleBucket({
  place: { kind: 'gcs', bucket, prefix, credentials: { keyFile } },
  access: { credentials: { keyFile }, endpoints: { storage: url } },
  clock: systemClock,
});
const store = gcsJournal({ objects, clock: systemClock });

async function readHead(): Promise<Entry | null> {
  const read = await store.read(0);
  if (!read.ok) throw new Error(JSON.stringify(read.error));
  const broken = verifyChain(read.value, sha256);
  if (broken !== null) throw new Error(JSON.stringify(broken));
  return read.value.at(-1) ?? null;
}

let head = await readHead();
process.stdout.write('ready\n');
await once(process.stdin, 'data');
process.stdin.unref();
for (let done = 0; done < count; ) {
  const reason = `${process.pid}/${done}`;
  const entry = sealEntry(head, draft({ kind: 'wave-started', wave: done }, { reason }), sha256);
  const appended = await store.append(entry);
  if (appended.ok) {
    head = entry;
    done += 1;
  } else if (appended.error.kind === 'conflict') head = await readHead();
  else throw new Error(JSON.stringify(appended.error));
}
process.exit(0);
