/**
 * Which time shows what is usual on hosts: the time before a rollout's first change, unless an earlier rollout that was taken back was at
 * them then. Its version's hour is in that time, so that the same version tried again, or one with the same fault, would look usual. Pure.
 *
 * UT1  A rollout was taken back if it ended other than done, or is a rollback itself, or a rollback came next. A version that stayed is what
 *      is usual now.
 * UT2  Nothing of such a rollout's time counts, from its first change to when its hosts were back, nor what a gate's window and a start's
 *      own work reach behind that. Retries one after the other are one such time: what is usual lies before the first of them.
 * UT3  No further back than a week: a bake lasts a day, the same weekday is there once more, and a Prometheus keeps 15 days. Beyond that
 *      what lies behind the last way back serves, if it is at least a quarter of what was asked for. Else nothing is known.
 */
import type { RolloutKind } from './journal.ts';
import type { RolloutState, UnusualTime } from './state.ts';

export interface UsualAsked {
  /** When the rollout's first change began, ms since the epoch. */
  readonly until: number;
  /** Oldest first. */
  readonly unusual: readonly UnusualTime[];
  /** How much time is wanted, and how long behind a change numbers are not the usual ones yet, ms. */
  readonly beforeMs: number;
  readonly clearMs: number;
}

export type UsualTime =
  | { readonly kind: 'known'; readonly until: number; readonly beforeMs: number }
  /** `since`: the first change of those that leave no time; `waitMs`: so long behind a way back there is enough. */
  | { readonly kind: 'unknown'; readonly since: number; readonly waitMs: number };

const FURTHEST_MS = 7 * 86_400_000;
const LEAST_SHARE = 1 / 4;

/** The times that a state remembers; the oldest one then begins with those before it. */
const MOST_REMEMBERED = 20;

export function usualTime({ until, unusual, beforeMs, clearMs }: UsualAsked): UsualTime {
  let end = until;
  for (const { from, to } of unusual.toReversed()) {
    if (to + clearMs <= end - beforeMs) break;
    end = Math.min(end, from);
  }
  if (until - end <= FURTHEST_MS) return { kind: 'known', until: end, beforeMs };
  const clearFrom = (unusual.at(-1)?.to ?? until) + clearMs;
  const least = Math.ceil(beforeMs * LEAST_SHARE);
  return until - clearFrom >= least
    ? { kind: 'known', until, beforeMs: until - clearFrom }
    : { kind: 'unknown', since: end, waitMs: clearMs + least };
}

/** UT1: what a rollout that is planned at `at` has to know of the one before it. */
export function unusualBefore(
  before: RolloutState | null,
  { kind, at }: { readonly kind: RolloutKind; readonly at: number },
): readonly UnusualTime[] {
  if (before === null) return [];
  const { phase, startedAt, unusual = [] } = before;
  const stayed = phase.kind === 'done' && before.kind !== 'rollback' && kind !== 'rollback';
  if (stayed || startedAt === 0) return unusual;
  const all = [...unusual, { from: startedAt, to: takenBackAt(before, kind, at) }];
  const forgotten = all.length - MOST_REMEMBERED;
  const earliest = all[0]?.from ?? startedAt;
  return all
    .slice(Math.max(0, forgotten))
    .map((one, index) => (forgotten > 0 && index === 0 ? { ...one, from: earliest } : one));
}

/** When its hosts were back; `at` where they were not yet when the next one was planned. */
function takenBackAt({ phase, kind, hosts }: RolloutState, next: RolloutKind, at: number): number {
  switch (phase.kind) {
    case 'rolled-back':
      return phase.since;
    case 'done':
      return kind === 'rollback' && next !== 'rollback' ? phase.since : at;
    case 'aborted':
      return [...hosts.values()].some(({ touched }) => touched) ? at : phase.since;
    default:
      return at;
  }
}
