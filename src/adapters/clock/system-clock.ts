/** The real time. The only file of the program that reads the wall clock or sets a timer. */
import type { Clock } from '../../ports/clock.ts';

/** setTimeout takes a signed 32-bit number of ms; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

/**
 * The machine's wall clock, and sleeps by its timers. `now` may jump (NTP, a laptop that slept); a sleep does not.
 * A sleep of zero, less, or NaN ends at once; one longer than 24.8 days is cut into several timers.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    for (let left = ms; left > 0; left -= LONGEST_TIMER_MS) {
      if (signal?.aborted) return;
      await timer(Math.min(left, LONGEST_TIMER_MS), signal);
    }
  },
};

function timer(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(handle);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const handle = setTimeout(end, ms);
    signal?.addEventListener('abort', end, { once: true });
  });
}
