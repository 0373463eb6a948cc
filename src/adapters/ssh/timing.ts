/**
 * Time limits by the Clock port. All limits of a clock share one tick: a connection has some six, and a sleep that can be called
 * off costs more than all else that is done for it.
 *
 * TM1  No limit ends early by more than a tick, whatever the wall clock does: a tick counts as what the wall clock says it took,
 * within [tick, 1 s], so that neither a clock that is set nor a laptop that slept ends what has only begun.
 */
import type { Clock } from '../../ports/clock.ts';

/** ms. */
const TICK = 10;
/** The most that one tick counts, ms (TM1). */
const LONGEST = 1_000;

interface Wheel {
  add(ms: number, call: () => void): () => void;
}

interface Limit {
  readonly due: number;
  readonly call: () => void;
}

const wheels = new WeakMap<Clock, Wheel>();

/** Calls back after `ms`, up to a tenth of a second later, unless the returned function is called first. */
export function after(clock: Clock, ms: number, call: () => void): () => void {
  let wheel = wheels.get(clock);
  if (wheel === undefined) {
    wheel = createWheel(clock);
    wheels.set(clock, wheel);
  }
  return wheel.add(ms, call);
}

function createWheel(clock: Clock): Wheel {
  // Limits of one length end in the order in which they were set, so that only the first of each is looked at.
  const lengths = new Map<number, Set<Limit>>();
  let elapsed = 0;
  let turning = false;

  const endDue = (): void => {
    for (const [length, limits] of lengths) {
      for (const limit of limits) {
        if (limit.due > elapsed) break;
        limits.delete(limit);
        limit.call();
      }
      if (limits.size === 0) lengths.delete(length);
    }
  };
  const turn = async (): Promise<void> => {
    turning = true;
    let last = clock.now();
    while (lengths.size > 0) {
      await clock.sleep(TICK);
      const now = clock.now();
      elapsed += Math.min(LONGEST, Math.max(TICK, now - last));
      last = now;
      endDue();
    }
    turning = false;
  };

  return {
    add(ms, call) {
      const grain = ms < 1_000 ? TICK : 100;
      const length = Math.max(1, Math.ceil(ms / grain)) * grain;
      const limits = lengths.get(length) ?? new Set<Limit>();
      // The tick that is under way has begun before this.
      const limit = { due: elapsed + length + TICK, call };
      limits.add(limit);
      lengths.set(length, limits);
      if (!turning) void turn();
      return () => {
        if (limits.delete(limit) && limits.size === 0 && lengths.get(length) === limits)
          lengths.delete(length);
      };
    },
  };
}

export interface IdleWatch {
  /** Something came. */
  readonly touch: () => void;
  readonly stop: () => void;
}

/**
 * Calls back when nothing was touched for `ms`, up to a quarter later: it looks four times in that span instead of setting a
 * limit anew at every packet.
 */
export function watchIdle(clock: Clock, ms: number, call: () => void): IdleWatch {
  let quiet = 0;
  let stop = (): void => {};
  const look = (): void => {
    quiet += 1;
    // The first look may come right after a touch, so four quiet looks are not yet the whole span.
    if (quiet > 4) call();
    else stop = after(clock, ms / 4, look);
  };
  stop = after(clock, ms / 4, look);
  return {
    touch: () => {
      quiet = 0;
    },
    stop: () => stop(),
  };
}
