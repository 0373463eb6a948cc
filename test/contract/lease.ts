/** What every Lease does, whatever it is made of. Run on the fake and on each real one, with a clock that the test moves. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Actor } from '../../src/domain/journal.ts';
import type { HeldLease, Lease } from '../../src/ports/lease.ts';
import type { ManualClock } from '../fakes/manual-clock.ts';

/** One lease that nobody has had yet. Its ttl is 30 s. */
export interface LeaseHarness {
  readonly clock: ManualClock;
  /** The lease as the process with this pid sees it. */
  of(pid: number): Lease;
  /** The process ends without a word. */
  kill(pid: number): void;
  close(): Promise<void>;
}

const ada: Actor = {
  user: 'ada',
  hostname: 'ops-1',
  command: 'rollout deploy gstg 5.10.2',
  ciJob: 'https://ci/7',
};
const bob: Actor = { user: 'bob', hostname: 'ops-1', command: 'rollout abort gstg' };

export function leaseContract(name: string, make: () => Promise<LeaseHarness>): void {
  describe(`${name} is a lease`, () => {
    let harness: LeaseHarness;
    let clock: ManualClock;
    beforeEach(async () => {
      harness = await make();
      clock = harness.clock;
    });
    afterEach(() => harness.close());

    async function taken(pid: number, actor: Actor, force = false): Promise<HeldLease> {
      const got = await harness.of(pid).acquire(actor, { force });
      if (!got.ok) throw new Error(`not acquired: ${JSON.stringify(got.error)}`);
      return got.value;
    }

    it('is nobody’s before it was ever taken', async () => {
      expect(await harness.of(1).holder()).toBeNull();
    });

    it('is taken by the first, who is shown to everybody', async () => {
      const held = await taken(1, ada);
      expect(held).toMatchObject({ epoch: 1 });
      expect(held.takenFrom).toBeUndefined();
      expect(await harness.of(2).holder()).toEqual({
        actor: ada,
        pid: 1,
        epoch: 1,
        since: clock.now(),
        expiresAt: clock.now() + harness.of(2).ttlMs,
      });
    });

    it('is refused to a second while the first lives, saying who holds it', async () => {
      await taken(1, ada);
      await clock.advance(29_999);
      const refused = await harness.of(2).acquire(bob);
      expect(refused).toMatchObject({
        ok: false,
        error: { kind: 'held', holder: { actor: ada, pid: 1, epoch: 1 } },
      });
    });

    it('is refused to its own holder’s second try: two rollouts in one process are two', async () => {
      await taken(1, ada);
      expect((await harness.of(1).acquire(ada)).ok).toBe(false);
    });

    it('lasts as long as it is renewed', async () => {
      const held = await taken(1, ada);
      for (let beat = 0; beat < 10; beat++) {
        await clock.advance(20_000);
        expect(await held.renew()).toBe('held');
      }
      expect((await harness.of(2).acquire(bob)).ok).toBe(false);
      expect(await harness.of(2).holder()).toMatchObject({ epoch: 1, expiresAt: clock.now() + 30_000 });
    });

    it('is free at once after a release, with the next epoch, and was taken from nobody', async () => {
      const held = await taken(1, ada);
      await held.release();
      await held.release();
      expect(await harness.of(2).holder()).toBeNull();
      const next = await taken(2, bob);
      expect(next.epoch).toBe(2);
      expect(next.takenFrom).toBeUndefined();
      expect(await held.renew()).toBe('lost');
      expect(await next.renew()).toBe('held');
    });

    it('lapses when it is not renewed, and the next learns from whom', async () => {
      await taken(1, ada);
      await clock.advance(30_000);
      expect(await harness.of(2).holder()).toBeNull();
      const next = await taken(2, bob);
      expect(next).toMatchObject({ epoch: 2, takenFrom: { actor: ada, pid: 1, epoch: 1 } });
    });

    it('is lost for a holder who slept past its end and was taken over, for good', async () => {
      const slept = await taken(1, ada);
      await clock.advance(31_000);
      const next = await taken(2, bob);
      expect(await slept.renew()).toBe('lost');
      await next.release();
      expect(await slept.renew()).toBe('lost');
      await slept.release();
      expect(await harness.of(3).holder()).toBeNull();
    });

    it('is still held by one who slept past its end when nobody came', async () => {
      const slept = await taken(1, ada);
      await clock.advance(600_000);
      expect(await slept.renew()).toBe('held');
      expect((await harness.of(2).acquire(bob)).ok).toBe(false);
    });

    it('lapses at once when the clock jumps past its end', async () => {
      const held = await taken(1, ada);
      clock.jumpWall(3_600_000);
      await taken(2, bob);
      expect(await held.renew()).toBe('lost');
    });

    it('stays with its holder when the clock jumps back', async () => {
      const held = await taken(1, ada);
      clock.jumpWall(-3_600_000);
      expect((await harness.of(2).acquire(bob)).ok).toBe(false);
      expect(await held.renew()).toBe('held');
    });

    it('is free at once when its holder was killed', async () => {
      await taken(1, ada);
      harness.kill(1);
      expect(await harness.of(2).holder()).toBeNull();
      expect(await taken(2, bob)).toMatchObject({ epoch: 2, takenFrom: { pid: 1 } });
    });

    it('is taken from a live holder by force, who then has lost it', async () => {
      const held = await taken(1, ada);
      const forced = await taken(2, bob, true);
      expect(forced).toMatchObject({ epoch: 2, takenFrom: { actor: ada } });
      expect(await held.renew()).toBe('lost');
      await held.release();
      expect(await harness.of(3).holder()).toMatchObject({ actor: bob, epoch: 2 });
      expect(await forced.renew()).toBe('held');
    });

    it('is not renewed back to life after its release, even by a heartbeat already on its way', async () => {
      const held = await taken(1, ada);
      await Promise.all([held.renew(), held.release(), held.renew()]);
      expect(await harness.of(2).holder()).toBeNull();
    });

    it('goes to exactly one of many at once, fresh and lapsed', async () => {
      for (const epoch of [1, 2, 3]) {
        const got = await Promise.all(Array.from({ length: 12 }, (_, i) => harness.of(i + 1).acquire(bob)));
        const winners = got.filter((one) => one.ok);
        expect(winners).toHaveLength(1);
        expect(winners[0]).toMatchObject({ value: { epoch } });
        await clock.advance(30_000);
      }
    });

    it('rises by one epoch with every holder, through many', async () => {
      for (let epoch = 1; epoch <= 12; epoch++) {
        const held = await taken(epoch, ada);
        expect(held.epoch).toBe(epoch);
        await held.release();
      }
    });
  });
}
