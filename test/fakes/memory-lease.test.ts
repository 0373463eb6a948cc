/** The fake keeps the real lease's contract, and shows the failures that tests ask for. */
import { describe, expect, it } from 'vitest';
import { leaseContract } from '../contract/lease.ts';
import { CrashError } from './crash-error.ts';
import { someActor } from './journal-entries.ts';
import { manualClock } from './manual-clock.ts';
import { memoryLeases } from './memory-lease.ts';

leaseContract('the lease in memory', async () => {
  const clock = manualClock();
  const leases = memoryLeases(clock);
  return {
    clock,
    of: (pid) => leases.of(pid),
    kill: (pid) => leases.kill(pid),
    close: async () => undefined,
  };
});

describe('the lease in memory, on demand', () => {
  it('does not answer', async () => {
    const leases = memoryLeases(manualClock());
    leases.failNext({ on: 'acquire', kind: 'unavailable' });
    expect(await leases.of(1).acquire(someActor)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable' },
    });
    expect((await leases.of(1).acquire(someActor)).ok).toBe(true);
  });

  it('is held on through heartbeats that do not get through, until it has lapsed', async () => {
    const clock = manualClock();
    const leases = memoryLeases(clock);
    const got = await leases.of(1).acquire(someActor);
    leases.failNext({ on: 'renew', kind: 'unavailable' });
    leases.failNext({ on: 'renew', kind: 'unavailable' });
    expect(got.ok && (await got.value.renew())).toBe('held');
    await clock.advance(30_000);
    expect(got.ok && (await got.value.renew())).toBe('lost');
    expect(got.ok && (await got.value.renew())).toBe('lost');
  });

  it('is taken by one that was killed before it knew', async () => {
    const leases = memoryLeases(manualClock());
    leases.failNext({ on: 'acquire', kind: 'crash-before' });
    await expect(leases.of(1).acquire(someActor)).rejects.toThrow(CrashError);
    expect(leases.epoch).toBe(0);
    leases.failNext({ on: 'acquire', kind: 'crash-after' });
    await expect(leases.of(1).acquire(someActor)).rejects.toThrow(CrashError);
    expect(await leases.of(2).holder()).toMatchObject({ pid: 1, epoch: 1 });
    leases.kill(1);
    expect((await leases.of(2).acquire(someActor)).ok).toBe(true);
  });

  it('is killed in a heartbeat', async () => {
    const leases = memoryLeases(manualClock());
    const got = await leases.of(1).acquire(someActor);
    leases.failNext({ on: 'renew', kind: 'crash-before' });
    await expect(got.ok && got.value.renew()).rejects.toThrow(CrashError);
  });
});
