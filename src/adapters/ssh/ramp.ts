/**
 * How many hosts are worked on at once: begins low, doubles while connections come up, halves when many of them drop, so that
 * neither a jump host nor a firewall is met with hundreds of connections in the first second.
 */
import pLimit from 'p-limit';

export interface Ramp {
  /** Runs it when there is room. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** A connection came up, or the host said no: the way to it is clear. */
  readonly reached: () => void;
  /** A connection was dropped before the key exchange, or got no answer in time. */
  readonly strained: () => void;
  /** How many may run now. */
  readonly width: number;
}

/** Where it begins. */
const FIRST = 8;
/** It does not halve below this. */
const LEAST = 2;

export function createRamp(most: number): Ramp {
  const top = Math.max(1, most);
  const limit = pLimit(Math.min(FIRST, top));
  let reached = 0;
  let strained = 0;
  const setWidth = (width: number): void => {
    limit.concurrency = width;
    reached = 0;
    strained = 0;
  };
  return {
    run: (work) => limit(work),
    reached() {
      reached += 1;
      if (reached >= limit.concurrency) setWidth(Math.min(top, limit.concurrency * 2));
    },
    strained() {
      strained += 1;
      const many = Math.max(LEAST, Math.ceil(limit.concurrency / 2));
      if (strained >= many) setWidth(Math.max(Math.min(LEAST, top), Math.floor(limit.concurrency / 2)));
    },
    get width() {
      return limit.concurrency;
    },
  };
}
