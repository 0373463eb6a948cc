/** The real clock, in milliseconds: the only test that waits for real time. */
import { performance } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';

async function took(run: () => Promise<void>): Promise<number> {
  const from = performance.now();
  await run();
  return performance.now() - from;
}

describe('the system clock', () => {
  it('tells the wall time', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
  });

  it('sleeps for as long as asked', async () => {
    expect(await took(() => systemClock.sleep(30))).toBeGreaterThanOrEqual(28);
  });

  it.each([0, -5, Number.NaN])('returns at once from a sleep of %s', async (ms) => {
    expect(await took(() => systemClock.sleep(ms))).toBeLessThan(500);
  });

  it('wakes when the signal is aborted in mid-sleep, without throwing', async () => {
    const stop = new AbortController();
    const sleeping = systemClock.sleep(60_000, stop.signal);
    stop.abort();
    await expect(sleeping).resolves.toBeUndefined();
  });

  it('does not sleep at all on a signal aborted before', async () => {
    expect(await took(() => systemClock.sleep(60_000, AbortSignal.abort()))).toBeLessThan(500);
  });

  it('does not return at once from a sleep longer than a timer can be', async () => {
    const stop = new AbortController();
    let woke = false;
    const sleeping = (async () => {
      await systemClock.sleep(2 ** 40, stop.signal);
      woke = true;
    })();
    await systemClock.sleep(20);
    expect(woke).toBe(false);
    stop.abort();
    await sleeping;
    expect(woke).toBe(true);
  });
});
