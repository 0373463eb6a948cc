/** Whose turn it is: the width, and the side room for attempts whose hosts say nothing. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRamp, type Ramp, type RampOptions, type Slot } from '../../../src/adapters/ssh/ramp.ts';
import { manualClock } from '../../fakes/manual-clock.ts';

function rampOf(most: number, way: RampOptions['way'] = 'jump') {
  const clock = manualClock();
  return { clock, ramp: createRamp({ clock, most, way }) };
}

interface Begun {
  readonly name: string;
  readonly slot: Slot;
  readonly end: () => void;
}

/** Attempts that end when the test says so; they listen from the start, as every attempt does. */
function attempts(ramp: Ramp, names: readonly string[]): Begun[] {
  const begun: Begun[] = [];
  for (const name of names) {
    void ramp.run(async (slot) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      slot.heard();
      begun.push({ name, slot, end: resolve });
      await promise;
    });
  }
  return begun;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const called = (count: number, name = 'h') => Array.from({ length: count }, (_, i) => `${name}${i}`);

describe('the width', () => {
  it.each([
    ['jump', [8, 16, 32, 50], [0, 8, 24, 56]],
    ['program', [8, 16, 32, 50], [0, 8, 24, 56]],
    ['direct', [32, 50], [0, 16]],
  ] as const)('doubles as connections come up, as far as it may: %s', (way, widths, after) => {
    const { ramp } = rampOf(50, way);
    const seen = [ramp.width];
    const at = [0];
    for (let i = 1; i <= 100; i += 1) {
      ramp.reached();
      if (ramp.width === seen.at(-1)) continue;
      seen.push(ramp.width);
      at.push(i);
    }
    expect([seen, at]).toEqual([widths, after]);
  });

  it('is divided with the ramps of other threads: where it begins, how far it goes, and the side room', async () => {
    const clock = manualClock();
    const ramp = createRamp({ clock, most: 64, way: 'direct', sharers: 4 });
    expect(ramp.width).toBe(8);
    for (let i = 0; i < 100; i += 1) ramp.reached();
    expect(ramp.width).toBe(16);
    attempts(ramp, called(400));
    await settled();
    for (let i = 0; i < 100; i += 1) await clock.advance(1_000);
    expect([ramp.running, ramp.aside]).toEqual([16, 128]);
  });

  it('halves when half of it is dropped, not for a single one, and comes back', async () => {
    const { ramp } = rampOf(50);
    const begun = attempts(ramp, called(1));
    await settled();
    begun[0]?.slot.strained();
    expect(ramp.width).toBe(8);
    for (let i = 0; i < 30; i += 1) begun[0]?.slot.strained();
    expect(ramp.width).toBe(2);
    for (let i = 0; i < 2; i += 1) ramp.reached();
    expect(ramp.width).toBe(4);
  });

  it('is never passed by those that are talked with', async () => {
    const { ramp } = rampOf(3);
    let running = 0;
    let most = 0;
    const one = async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await settled();
      running -= 1;
    };
    await Promise.all(Array.from({ length: 20 }, () => ramp.run(one)));
    expect([most, ramp.running]).toEqual([3, 0]);
  });

  it('is given free by work that throws', async () => {
    const { ramp } = rampOf(1);
    await expect(
      ramp.run(() => {
        throw new Error('bug');
      }),
    ).rejects.toThrow('bug');
    expect(await ramp.run(async () => 'next')).toBe('next');
  });
});

describe('an attempt whose host says nothing', () => {
  it('steps aside after half a second, so that the next begins', async () => {
    const { clock, ramp } = rampOf(2, 'direct');
    const begun = attempts(ramp, called(4));
    await clock.advance(450);
    expect(begun.map(({ name }) => name)).toEqual(['h0', 'h1']);
    await clock.advance(200);
    expect(begun.map(({ name }) => name)).toEqual(['h0', 'h1', 'h2', 'h3']);
    expect([ramp.running, ramp.aside]).toEqual([2, 2]);
  });

  it('counts again at its next word, and nobody begins until there is room within the width', async () => {
    const { clock, ramp } = rampOf(2, 'direct');
    const begun = attempts(ramp, called(6));
    await clock.advance(600);
    begun[0]?.slot.heard();
    begun[1]?.slot.heard();
    expect([ramp.running, ramp.aside]).toEqual([4, 0]);
    begun[2]?.end();
    begun[3]?.end();
    await settled();
    expect([begun.length, ramp.running]).toEqual([4, 2]);
    begun[0]?.end();
    await settled();
    expect([begun.length, ramp.running]).toEqual([5, 2]);
  });

  it('that ends aside leaves the width alone', async () => {
    const { clock, ramp } = rampOf(1, 'direct');
    const begun = attempts(ramp, called(3));
    await clock.advance(600);
    begun[0]?.end();
    await settled();
    expect([begun.length, ramp.running, ramp.aside]).toEqual([2, 1, 0]);
  });

  it('keeps its place while the room is full, and the one that waits longest goes in first', async () => {
    const { clock, ramp } = rampOf(2, 'jump');
    const begun = attempts(ramp, called(9));
    await clock.advance(600);
    await clock.advance(600);
    expect([begun.length, ramp.running, ramp.aside]).toEqual([4, 2, 2]);
    begun[0]?.end();
    await settled();
    expect([begun.length, ramp.running, ramp.aside]).toEqual([5, 2, 2]);
    // h2 waited longer than h3 and went in; h3's word takes it out of the queue for the room.
    begun[3]?.slot.heard();
    begun[1]?.end();
    await settled();
    expect([begun.length, ramp.running, ramp.aside]).toEqual([5, 2, 1]);
  });

  it('whose program works keeps its place', async () => {
    const { clock, ramp } = rampOf(1, 'direct');
    const begun = attempts(ramp, called(2));
    await settled();
    begun[0]?.slot.settle();
    await clock.advance(10_000);
    expect([begun.length, ramp.running, ramp.aside]).toEqual([1, 1, 0]);
  });

  it('is given more time where hosts that answer are slow, at most 3 s', async () => {
    const { clock, ramp } = rampOf(1, 'direct');
    for (let i = 0; i < 40; i += 1) {
      const slow = ramp.run(async (slot) => {
        slot.heard();
        await clock.sleep(480);
        slot.settle();
      });
      await clock.advance(500);
      await slow;
    }
    const begun = attempts(ramp, called(2));
    await clock.advance(1_500);
    expect([begun.length, ramp.aside]).toEqual([1, 0]);
    await clock.advance(1_600);
    expect([begun.length, ramp.aside]).toEqual([2, 1]);
  });

  it('behind a proxy program keeps its place: more programs are too dear', async () => {
    const { clock, ramp } = rampOf(2, 'program');
    const begun = attempts(ramp, called(3));
    await clock.advance(60_000);
    expect([begun.length, ramp.running, ramp.aside]).toEqual([2, 2, 0]);
  });

  it('speaks for the way only where that is shared', async () => {
    for (const [way, width] of [
      ['direct', 32],
      ['jump', 4],
    ] as const) {
      const { clock, ramp } = rampOf(64, way);
      const begun = attempts(ramp, called(32));
      await clock.advance(600);
      for (let i = 0; i < 4; i += 1) begun[i]?.slot.strained();
      expect(ramp.width, way).toBe(width);
    }
  });
});

describe('whatever hosts do', () => {
  type Deed = 'word' | 'settle' | 'end' | 'time';
  const deeds = fc.array(
    fc.tuple(fc.constantFrom<Deed>('word', 'settle', 'end', 'time'), fc.nat({ max: 30 })),
    { maxLength: 60 },
  );

  it('the room is bounded, counts agree, and everybody has a turn', async () => {
    await fc.assert(
      fc.asyncProperty(deeds, fc.integer({ min: 1, max: 4 }), async (script, most) => {
        const { clock, ramp } = rampOf(most, 'jump');
        const begun = attempts(ramp, called(30));
        const ended = new Set<number>();
        for (const [deed, of] of script) {
          const one = begun[of];
          if (deed === 'word') one?.slot.heard();
          else if (deed === 'settle') one?.slot.settle();
          else if (deed === 'time') await clock.advance(300);
          else if (one !== undefined) {
            one.end();
            ended.add(of);
          }
          await settled();
          expect(ramp.aside).toBeLessThanOrEqual(most);
          expect(ramp.running + ramp.aside).toBe(begun.length - ended.size);
          expect(ramp.running + ramp.aside).toBeLessThanOrEqual(2 * most);
        }
        for (let i = 0; i < 30; i += 1) {
          await settled();
          begun[i]?.end();
        }
        await settled();
        expect([begun.length, ramp.running, ramp.aside]).toEqual([30, 0, 0]);
      }),
      { numRuns: 60 },
    );
  });
});
