/**
 * The part of a journal that was written by a point in time. Pure.
 *
 * RU1  It is a whole beginning of the journal: an entry counts with all before it, since what came before what is read off the
 *      order and never off the times. A writer whose clock was ahead does not hide what it wrote from what follows.
 * RU2  Before the first entry's own time nothing is known, whatever a clock that was behind says later.
 */
import type { Entry } from './journal.ts';

export interface RecordedUntil {
  readonly entries: readonly Entry[];
  /** Among them one whose clock was ahead of `until`, ms since the epoch; null: the clocks agree. */
  readonly clockAhead: number | null;
}

/** `untilMs`, inclusive: ms since the epoch. */
export function recordedUntil(entries: readonly Entry[], untilMs: number): RecordedUntil {
  // RU2.
  if ((entries[0]?.at ?? 0) > untilMs) return { entries: [], clockAhead: null };
  // RU1.
  const last = entries.findLastIndex((entry) => entry.at <= untilMs);
  const part = entries.slice(0, last + 1);
  const latest = part.reduce((most, { at }) => Math.max(most, at), Number.NEGATIVE_INFINITY);
  return { entries: part, clockAhead: latest > untilMs ? latest : null };
}
