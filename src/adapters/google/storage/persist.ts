/** Asking again until it works or the time is up. */
import { err, type Result } from '../../../domain/result.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Failure } from './failure.ts';
import type { ObjectError } from './objects.ts';

export interface Patience {
  readonly clock: Clock;
  /** For all attempts together, ms. */
  readonly deadlineMs: number;
  /** Longest that one attempt may take, ms. */
  readonly attemptMs: number;
}

/** Google asks for truncated exponential back-off; it begins a little below its advised second, for calls of people who wait. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
/** A bound also for a clock that is put back. */
const MOST_ATTEMPTS = 30;

/** Repeats what failed in a way that may pass. `attempt` is told how long it may take. */
export async function persist<T>(
  { clock, deadlineMs, attemptMs }: Patience,
  attempt: (limitMs: number) => Promise<Result<T, Failure>>,
): Promise<Result<T, ObjectError>> {
  const start = clock.now();
  let pause = FIRST_PAUSE_MS;
  for (let attempts = 1; ; attempts++) {
    const left = deadlineMs - Math.max(0, clock.now() - start);
    const answer = await attempt(Math.max(1, Math.min(attemptMs, left)));
    if (answer.ok) return answer;
    const { error, retryAfterMs = 0 } = answer.error;
    if (error.kind !== 'unavailable' || !error.retryable) return err(error);
    const wait = Math.max(pause, retryAfterMs);
    const spent = Math.max(0, clock.now() - start);
    if (spent + wait >= deadlineMs || attempts >= MOST_ATTEMPTS) {
      const tried = `${attempts} attempt${attempts === 1 ? '' : 's'} in ${Math.round(spent / 1000)} s`;
      return err({ ...error, message: `${error.message}; ${tried}` });
    }
    await clock.sleep(wait);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

/** Rejects when `work` has not ended within `ms`; what it does later is nobody's concern. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(Math.max(1, Math.ceil(ms)));
  let give: () => void = () => undefined;
  const late = new Promise<never>((_, reject) => {
    give = () => reject(new Error(`no answer within ${Math.round(ms)} ms`));
    signal.addEventListener('abort', give, { once: true });
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    signal.removeEventListener('abort', give);
  }
}
