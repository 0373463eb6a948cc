/**
 * One process that wants the lease in a bucket; where is the JSON in its argument. Says `ready`, waits for a line on stdin, so that
 * several start at once, prints what it got as one line of JSON, and holds on until it is killed.
 */
import { once } from 'node:events';
import { systemClock } from '../../../../src/adapters/clock/system-clock.ts';
import { googleBucket } from '../../../../src/adapters/google/storage/bucket.ts';
import { gcsLease } from '../../../../src/adapters/google/storage/lease.ts';
import { systemProcesses } from '../../../../src/adapters/local-lease/process-table.ts';
import { someActor } from '../../../fakes/journal-entries.ts';

export interface Contention {
  readonly url: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly keyFile: string;
}

const { url, bucket, prefix, keyFile } = JSON.parse(process.argv[2] ?? '{}') as Contention;
const objects = googleBucket({
  place: { kind: 'gcs', bucket, prefix, credentials: { keyFile } },
  access: { credentials: { keyFile }, endpoints: { storage: url } },
  clock: systemClock,
});
const lease = gcsLease({
  objects,
  clock: systemClock,
  hostname: 'ops-1',
  pid: process.pid,
  processes: systemProcesses,
});
// Signed in and connected before the start.
await lease.holder();
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const got = await lease.acquire(someActor);
process.stdout.write(
  `${JSON.stringify(got.ok ? { epoch: got.value.epoch, takenFrom: got.value.takenFrom } : got.error)}\n`,
);
if (got.ok) await systemClock.sleep(60_000);
process.exit(0);
