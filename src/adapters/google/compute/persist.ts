/** Asks again what may be answered later: with back-off and jitter, within a deadline. */
import { randomInt } from 'node:crypto';
import type { Result } from '../../../domain/result.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { CallFailure } from './call-failure.ts';

export interface Patience {
  readonly clock: Clock;
  /** When to stop, by the clock, ms since the epoch. */
  readonly until: number;
  /** For one request, ms. */
  readonly requestMs: number;
  readonly signal?: AbortSignal;
}

/** Of one question, whatever the clock says: it may be set back. */
const MOST_ATTEMPTS = 8;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;

/** `ask` gets the time it may take, ms. The last failure is the answer when time or attempts are used up. */
export async function persist<T>(
  ask: (timeoutMs: number) => Promise<Result<T, CallFailure>>,
  { clock, until, requestMs, signal }: Patience,
): Promise<Result<T, CallFailure>> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask(Math.max(1, Math.min(requestMs, until - clock.now())));
    if (answer.ok || !answer.error.retryable || attempt === MOST_ATTEMPTS) return answer;
    const wait = waitAfter(attempt);
    if (signal?.aborted || clock.now() + wait >= until) return answer;
    await clock.sleep(wait, signal);
    if (signal?.aborted) return answer;
  }
}

/** Half of it is chance, so that many who were refused together do not come back together. */
function waitAfter(attempt: number): number {
  const whole = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
  return whole / 2 + randomInt(whole / 2);
}
