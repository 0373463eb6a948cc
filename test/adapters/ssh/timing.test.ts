/** Limits that share one tick end each in its time, whatever the wall clock does. */
import { describe, expect, it } from 'vitest';
import { after, watchIdle } from '../../../src/adapters/ssh/timing.ts';
import { manualClock } from '../../fakes/manual-clock.ts';

describe('a limit', () => {
  it.each([1, 20, 333, 1_000, 60_000])('of %d ms ends once, not early, and little later', async (ms) => {
    const clock = manualClock();
    const ends: number[] = [];
    after(clock, ms, () => ends.push(clock.elapsedMs));
    await clock.advance(ms + 150);
    expect(ends).toHaveLength(1);
    expect(ends[0]).toBeGreaterThanOrEqual(ms);
  });

  it('that was called off never ends, and nothing keeps the program alive', async () => {
    const clock = manualClock();
    let ended = 0;
    const stops = [50, 50, 5_000].map((ms) => after(clock, ms, () => (ended += 1)));
    for (const stop of stops) stop();
    await clock.advance(20);
    expect([ended, clock.sleepers]).toEqual([0, 0]);
    stops[0]?.();
  });

  it('ends in order, and one that is set as another ends has its whole time', async () => {
    const clock = manualClock();
    const ends: string[] = [];
    after(clock, 300, () => ends.push('c'));
    after(clock, 100, () => {
      ends.push('a');
      after(clock, 100, () => ends.push('b'));
      after(clock, 400, () => ends.push('d'));
    });
    await clock.advance(190);
    expect(ends).toEqual(['a']);
    await clock.advance(1_000);
    expect(ends).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is not ended by a wall clock that is set on by a day, nor kept by one that is set back', async () => {
    for (const jump of [86_400_000, -86_400_000]) {
      const clock = manualClock();
      let endedAt = 0;
      after(clock, 10_000, () => {
        endedAt = clock.elapsedMs;
      });
      await clock.advance(5_000);
      clock.jumpWall(jump);
      await clock.advance(3_000);
      expect(endedAt).toBe(0);
      await clock.advance(3_000);
      expect(endedAt).toBeGreaterThanOrEqual(9_000);
    }
  });
});

describe('an idle watch', () => {
  it('calls when nothing came for its time, and not while something does', async () => {
    const clock = manualClock();
    let calls = 0;
    const watch = watchIdle(clock, 1_000, () => (calls += 1));
    for (let i = 0; i < 10; i += 1) {
      await clock.advance(800);
      watch.touch();
    }
    expect(calls).toBe(0);
    await clock.advance(1_500);
    expect(calls).toBe(1);
    await clock.advance(5_000);
    expect([calls, clock.sleepers]).toEqual([1, 0]);
  });

  it('that was stopped never calls', async () => {
    const clock = manualClock();
    let calls = 0;
    const watch = watchIdle(clock, 400, () => (calls += 1));
    await clock.advance(150);
    watch.stop();
    await clock.advance(5_000);
    expect([calls, clock.sleepers]).toEqual([0, 0]);
  });
});
