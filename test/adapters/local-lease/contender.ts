/**
 * One process that wants the lease of the folder in its argument. Waits for a line on stdin, so that many start at once;
 * prints what it got as one line of JSON; holds on until it is killed, or with `release` gives it back and ends.
 */
import { once } from 'node:events';
import { hostname } from 'node:os';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';
import { localLease } from '../../../src/adapters/local-lease/local-lease.ts';
import { someActor } from '../../fakes/journal-entries.ts';

const [, , folder = '', then = 'hold'] = process.argv;
const lease = localLease({ folder, clock: systemClock, hostname: hostname(), pid: process.pid });
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const got = await lease.acquire(someActor);
process.stdout.write(
  `${JSON.stringify(got.ok ? { epoch: got.value.epoch, takenFrom: got.value.takenFrom } : got.error)}\n`,
);
if (got.ok && then === 'hold') await systemClock.sleep(60_000);
if (got.ok && then === 'release') await got.value.release();
process.exit(0);
