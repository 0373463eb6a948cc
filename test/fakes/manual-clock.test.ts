/** The clock that the other tests rest on. */
import { describe, expect, it } from 'vitest';
import { manualClock } from './manual-clock.ts';

describe('the manual clock', () => {
  it('wakes sleepers in the order of their time, each at its own time', async () => {
    const clock = manualClock({ start: 1_000 });
    const woke: [string, number][] = [];
    const sleeper = async (name: string, ms: number): Promise<void> => {
      await clock.sleep(ms);
      woke.push([name, clock.now()]);
    };
    const all = Promise.all([sleeper('late', 50), sleeper('early', 20), sleeper('not yet', 200)]);
    await clock.advance(100);
    expect(woke).toEqual([
      ['early', 1_020],
      ['late', 1_050],
    ]);
    expect(clock.now()).toBe(1_100);
    await clock.advance(100);
    await all;
    expect(woke[2]).toEqual(['not yet', 1_200]);
  });

  it('wakes one that sleeps again and again as often as its time comes', async () => {
    const clock = manualClock();
    let beats = 0;
    const beat = (async () => {
      for (; beats < 5; beats++) await clock.sleep(10);
    })();
    await clock.advance(35);
    expect(beats).toBe(3);
    await clock.advance(15);
    await beat;
    expect(clock.sleepers).toBe(0);
  });

  it('wakes nobody when the wall clock jumps', async () => {
    const clock = manualClock({ start: 0 });
    const sleeping = clock.sleep(10);
    clock.jumpWall(3_600_000);
    await clock.advance(9);
    expect([clock.sleepers, clock.now(), clock.elapsedMs]).toEqual([1, 3_600_009, 9]);
    await clock.advance(1);
    await sleeping;
  });

  it('goes to the next sleeper, and says when there is none', async () => {
    const clock = manualClock({ start: 0 });
    const sleeping = clock.sleep(70);
    expect(await clock.advanceToNext()).toBe(true);
    await sleeping;
    expect(clock.now()).toBe(70);
    expect(await clock.advanceToNext()).toBe(false);
  });

  it('ends a sleep whose signal is aborted', async () => {
    const clock = manualClock();
    const stop = new AbortController();
    const sleeping = clock.sleep(10, stop.signal);
    stop.abort();
    await sleeping;
    expect(clock.sleepers).toBe(0);
  });

  it('moves by itself in a simulation', async () => {
    const clock = manualClock({ start: 0, autoAdvance: true });
    await clock.sleep(86_400_000);
    expect(clock.now()).toBe(86_400_000);
  });
});
