/**
 * Random lives of three machines that want one lease in a bucket: requests that fail, hang, arrive late or lose their answers, clocks
 * that are off and jump. Whatever happens, nobody takes it while another counts it as held. LEASE_SEED=n shows one life.
 */
import { describe, expect, it } from 'vitest';
import { gcsLease } from '../../../../src/adapters/google/storage/lease.ts';
import type { Clock } from '../../../../src/ports/clock.ts';
import type { HeldLease } from '../../../../src/ports/lease.ts';
import { type Random, randomOf } from '../../../engine/random.ts';
import { type MemoryBucket, memoryBucket, type ObjectFault } from '../../../fakes/google/memory-objects.ts';
import { someActor } from '../../../fakes/journal-entries.ts';
import { type SimClock, simClock } from '../../../fakes/sim-clock.ts';

const only = process.env.LEASE_SEED;
const seeds = only === undefined ? Array.from({ length: 300 }, (_, index) => index + 1) : [Number(only)];
const LIFE_MS = 600_000;
const FAULTS: readonly [ObjectFault, ...ObjectFault[]] = [
  'unavailable',
  'cut',
  'lost-reply',
  'hangs',
  'done-hangs',
  'denied',
];

class Life {
  readonly clock: SimClock = simClock();
  readonly random: Random;
  readonly bucket: MemoryBucket;
  readonly wrong: string[] = [];
  readonly trace: string[] = [];
  readonly epochs: number[] = [];
  lost = 0;
  /** Machines that count it as held. */
  readonly holders = new Set<number>();

  constructor(seed: number) {
    this.random = randomOf(seed);
    this.bucket = memoryBucket({
      clock: this.clock.others,
      latencyMs: () => this.random.pick([10, 40, 400, 2_000]),
    });
  }

  note(machine: number, what: string): void {
    this.trace.push(`${this.clock.elapsedMs} ms, ${machine}: ${what}`);
  }

  async live(): Promise<void> {
    const machines = [1, 2, 3].map((machine) => this.machine(machine));
    await this.clock.run(Promise.all(machines), LIFE_MS * 3);
  }

  async machine(machine: number): Promise<void> {
    const { random, clock } = this;
    let skew = random.pick([0, -3_600_000, 5_000, 86_400_000]);
    const own: Clock = {
      now: () => clock.others.now() + skew,
      sleep: (ms, signal) => clock.sleep(ms, signal),
    };
    const client = this.bucket.client();
    let rate = 0;
    client.faults = () => {
      if (!random.chance(rate)) return null;
      if (random.chance(0.2)) return { until: clock.sleep(random.whole(1_000, 60_000)) };
      return random.pick(FAULTS);
    };
    const lease = gcsLease({ objects: client.objects, clock: own, hostname: `m${machine}`, pid: machine });
    while (clock.elapsedMs < LIFE_MS) {
      rate = random.pick([0, 0, 0.1, 0.5, 1]);
      if (random.chance(0.2)) {
        skew += random.pick([-3_600_000, -20_000, 3_000, 20_000]);
        this.note(machine, `clock is off by ${skew}`);
      }
      const asked = await Promise.race([lease.acquire(someActor), clock.sleep(60_000)]);
      if (asked === undefined || !asked.ok) {
        // What hung may still become ours, and nobody keeps it: as if this machine had been killed.
        await clock.sleep(random.whole(500, 15_000));
        continue;
      }
      const held = asked.value;
      this.note(machine, `takes epoch ${held.epoch}, fault rate ${rate}`);
      for (const other of this.holders) this.wrong.push(`${machine} takes what ${other} holds`);
      if (held.epoch <= (this.epochs.at(-1) ?? 0)) this.wrong.push(`epoch ${held.epoch} comes again`);
      this.epochs.push(held.epoch);
      this.holders.add(machine);
      await this.hold(machine, held, () => {
        rate = random.pick([0, 0.2, 0.8, 1]);
      });
      await clock.sleep(random.whole(100, 20_000));
    }
  }

  /** As the engine does: three heartbeats in a lifetime, until it has done its work or it is lost. */
  async hold(machine: number, held: HeldLease, change: () => void): Promise<void> {
    const beats = this.random.whole(1, 8);
    for (let beat = 0; beat < beats; beat += 1) {
      await this.clock.sleep(10_000);
      change();
      if ((await held.renew()) === 'held') continue;
      this.holders.delete(machine);
      this.lost += 1;
      this.note(machine, 'is lost');
      break;
    }
    // Whoever gives it back has ended its work.
    this.holders.delete(machine);
    await held.release();
    this.note(machine, 'gave it back');
  }
}

describe('a lease in a bucket, whatever happens', () => {
  it(`is never taken while another counts it as held (${seeds.length} lives)`, {
    timeout: 120_000,
  }, async () => {
    const wrong: string[] = [];
    let lost = 0;
    let taken = 0;
    for (const seed of seeds) {
      const life = new Life(seed);
      await life.live();
      lost += life.lost;
      taken += life.epochs.length;
      if (only !== undefined) console.log(life.trace.join('\n'));
      if (life.wrong.length > 0) wrong.push(`seed ${seed}: ${life.wrong.join('; ')}`);
    }
    expect(wrong).toEqual([]);
    // Else the lives would be too tame to show anything.
    if (only === undefined) {
      expect(taken).toBeGreaterThan(seeds.length * 5);
      expect(lost).toBeGreaterThan(seeds.length);
    }
  });
});
