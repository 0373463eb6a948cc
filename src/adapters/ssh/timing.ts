/** Time limits by the Clock port. */
import type { Clock } from '../../ports/clock.ts';

/** Calls back after `ms` unless the returned function is called first. */
export function after(clock: Clock, ms: number, call: () => void): () => void {
  const stop = new AbortController();
  const wait = async (): Promise<void> => {
    await clock.sleep(ms, stop.signal);
    if (!stop.signal.aborted) call();
  };
  void wait();
  return () => stop.abort();
}

export interface IdleWatch {
  /** Something came. */
  readonly touch: () => void;
  readonly stop: () => void;
}

/**
 * Calls back when nothing was touched for `ms`, up to a quarter later: it looks four times in that span instead of setting a
 * timer anew at every packet.
 */
export function watchIdle(clock: Clock, ms: number, call: () => void): IdleWatch {
  const stop = new AbortController();
  let quiet = 0;
  const look = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(ms / 4, stop.signal);
      if (stop.signal.aborted) return;
      quiet += 1;
      // The first look may come right after a touch, so four quiet looks are not yet the whole span.
      if (quiet > 4) {
        call();
        return;
      }
    }
  };
  void look();
  return {
    touch: () => {
      quiet = 0;
    },
    stop: () => stop.abort(),
  };
}
