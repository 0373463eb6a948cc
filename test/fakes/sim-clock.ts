/**
 * A clock for simulations: while a promise is waited for, time goes on from sleeper to sleeper by itself.
 * Cheaper than the manual clock, since nothing here does real I/O: one turn of the event loop lets everything run.
 */
import type { Clock } from '../../src/ports/clock.ts';

export interface SimClock extends Clock {
  /** Lets time pass until the promise is settled; throws when nobody sleeps any more, or after `limitMs`. */
  run<T>(promise: Promise<T>, limitMs?: number): Promise<T>;
  /** Lets that much time pass. */
  advance(ms: number): Promise<void>;
  /** Does something when that much time has passed. */
  after(ms: number, what: () => void): void;
  /** The wall clock jumps; sleepers are not woken. */
  jumpWall(ms: number): void;
  /** Time that truly passed, ms. */
  readonly elapsedMs: number;
  /** The same time as others have it, whose clocks do not jump. */
  readonly others: Clock;
}

interface Sleeper {
  readonly wakeAt: number;
  readonly wake: () => void;
}

export function simClock(start: number = Date.UTC(2026, 0, 1)): SimClock {
  let elapsed = 0;
  let skew = start;
  const sleepers: Sleeper[] = [];

  const add = (wakeAt: number, wake: () => void): Sleeper => {
    const sleeper = { wakeAt, wake };
    let index = sleepers.length;
    while (index > 0 && (sleepers[index - 1]?.wakeAt ?? 0) > wakeAt) index -= 1;
    sleepers.splice(index, 0, sleeper);
    return sleeper;
  };
  const wakeNext = (): boolean => {
    const first = sleepers[0];
    if (first === undefined) return false;
    elapsed = Math.max(elapsed, first.wakeAt);
    while (sleepers[0] !== undefined && sleepers[0].wakeAt <= elapsed) sleepers.shift()?.wake();
    return true;
  };
  const clock: SimClock = {
    now: () => elapsed + skew,
    sleep(ms, signal) {
      if (!(ms > 0) || signal?.aborted === true) return Promise.resolve();
      return new Promise((resolve) => {
        const sleeper = add(elapsed + ms, () => {
          signal?.removeEventListener('abort', cancel);
          resolve();
        });
        const cancel = (): void => {
          const index = sleepers.indexOf(sleeper);
          if (index >= 0) sleepers.splice(index, 1);
          resolve();
        };
        signal?.addEventListener('abort', cancel, { once: true });
      });
    },
    async run(promise, limitMs = 30 * 24 * 3_600_000) {
      let isSettled = false;
      const settle = (): void => {
        isSettled = true;
      };
      promise.then(settle, settle);
      const until = elapsed + limitMs;
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        if (isSettled) return promise;
        if (!wakeNext()) throw new Error('stuck: nobody sleeps, and what was waited for has not come');
        if (elapsed > until) throw new Error(`stuck: not settled within ${limitMs} ms of simulated time`);
      }
    },
    advance: (ms) => clock.run(clock.sleep(ms), Number.POSITIVE_INFINITY),
    after: (ms, what) => {
      add(elapsed + ms, what);
    },
    jumpWall(ms) {
      skew += ms;
    },
    others: { now: () => elapsed + start, sleep: (ms, signal) => clock.sleep(ms, signal) },
    get elapsedMs() {
      return elapsed;
    },
  };
  return clock;
}
