/**
 * How long a lease may still be counted as held after its last renewal, by two measures, whichever ends first: a sleep, which no
 * jump of the clock shortens or lengthens but which stands still in a machine that is suspended; and the wall clock, which goes on
 * then but may be put back.
 */
import type { Clock } from '../../../ports/clock.ts';

export interface Life {
  isOver(): boolean;
  /** Settles when the sleep has ended; never after `end`. */
  readonly over: Promise<'over'>;
  /** No longer needed: leaves no timer behind. */
  end(): void;
}

/** Begins now. `ms`: how long. */
export function lifeOf(clock: Clock, ms: number): Life {
  const begunAt = clock.now();
  const ended = new AbortController();
  let hasPassed = false;
  const over = new Promise<'over'>((resolve) => {
    void clock.sleep(ms, ended.signal).then(() => {
      if (ended.signal.aborted) return;
      hasPassed = true;
      resolve('over');
    });
  });
  return {
    isOver: () => hasPassed || clock.now() - begunAt >= ms,
    over,
    end: () => ended.abort(),
  };
}
