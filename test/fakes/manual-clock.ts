/**
 * A clock that only moves when the test says so.
 *
 * M1  Sleepers wake in the order of their time, each seeing `now` at exactly its own time.
 * M2  A jump of the wall clock (`jumpWall`) wakes nobody and shortens no sleep, as on a real machine.
 */
import type { Clock } from '../../src/ports/clock.ts';

export interface ManualClock extends Clock {
  /** Lets `ms` pass: wakes whoever is due, letting each run until it next waits. */
  advance(ms: number): Promise<void>;
  /** Lets time pass up to the next sleeper, at most `limitMs`; false when nobody sleeps (time then stands still). */
  advanceToNext(limitMs?: number): Promise<boolean>;
  /** NTP sets the clock, or the machine was suspended: `now` changes by `ms`, which may be negative. */
  jumpWall(ms: number): void;
  /** How many wait in `sleep`. */
  readonly sleepers: number;
  /** Milliseconds that passed since the start, jumps not counted. */
  readonly elapsedMs: number;
}

export interface ManualClockOptions {
  /** Wall time at the start, ms since the epoch. Default 2026-01-01T00:00:00Z. */
  readonly start?: number;
  /** For simulations: every sleep moves the time on by itself and returns; nobody has to advance. */
  readonly autoAdvance?: boolean;
}

interface Sleeper {
  readonly wakeAt: number;
  readonly wake: () => void;
}

export function manualClock(options: ManualClockOptions = {}): ManualClock {
  let elapsed = 0;
  let wall = options.start ?? Date.UTC(2026, 0, 1);
  let sleepers: Sleeper[] = [];

  const pass = (ms: number): void => {
    elapsed += ms;
    wall += ms;
  };
  const next = (): Sleeper | undefined =>
    sleepers.reduce<Sleeper | undefined>(
      (first, s) => (first && first.wakeAt <= s.wakeAt ? first : s),
      undefined,
    );

  const advance = async (ms: number): Promise<void> => {
    const end = elapsed + ms;
    await settle();
    for (let due = next(); due && due.wakeAt <= end; due = next()) {
      pass(Math.max(0, due.wakeAt - elapsed));
      due.wake();
      await settle();
    }
    pass(end - elapsed);
  };

  return {
    now: () => wall,
    async sleep(ms, signal) {
      if (!(ms > 0) || signal?.aborted) return;
      if (options.autoAdvance) return pass(ms);
      await new Promise<void>((resolve) => {
        const sleeper: Sleeper = {
          wakeAt: elapsed + ms,
          wake: () => {
            sleepers = sleepers.filter((s) => s !== sleeper);
            signal?.removeEventListener('abort', sleeper.wake);
            resolve();
          },
        };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', sleeper.wake, { once: true });
      });
    },
    advance,
    async advanceToNext(limitMs = Number.POSITIVE_INFINITY) {
      await settle();
      const due = next();
      if (!due) return false;
      await advance(Math.min(limitMs, Math.max(0, due.wakeAt - elapsed)));
      return true;
    },
    jumpWall: (ms) => {
      wall += ms;
    },
    get sleepers() {
      return sleepers.length;
    },
    get elapsedMs() {
      return elapsed;
    },
  };
}

/** Lets everything run that can run without time passing, real I/O of a turn or two included. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
