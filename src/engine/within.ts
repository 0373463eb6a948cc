/** Waits for something that may never come. */
import type { Clock } from '../ports/clock.ts';

/**
 * What `work` gives, or null when it takes longer than `ms`; it is then called off by its signal and its result is dropped, also a
 * rejection.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | null> {
  const late = new AbortController();
  const inTime = new AbortController();
  const working = work(late.signal);
  const tooLong = clock.sleep(ms, inTime.signal).then(() => null);
  try {
    return await Promise.race([working, tooLong]);
  } finally {
    working.catch(() => undefined);
    inTime.abort();
    late.abort();
  }
}
