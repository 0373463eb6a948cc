/** The only way to time: so that tests need no waiting. */
export interface Clock {
  /** Wall clock, ms since the epoch. */
  now(): number;
  /** Ends after `ms`, or at once when the signal is aborted (never throws). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
