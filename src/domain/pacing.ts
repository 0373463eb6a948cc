/**
 * What a wave does to others: agents that start ask their TLS server for everything at once, and go on asking in step, since osquery
 * does not splay its intervals. From the intervals and the server's budget: how far apart starts must lie, and how large a wave may be.
 * Pure.
 *
 * PA1  The fleet's own steady load comes first: starts get what it leaves of the budget.
 * PA2  A way back is not paced: hosts on a bad version come before the server's comfort.
 */

/** Requests that one agent makes, by what they are for; intervals in ms. An endpoint that is not asked is absent. */
export interface TlsIntervals {
  readonly configMs?: number;
  readonly loggerMs?: number;
  readonly distributedMs?: number;
}

export interface PacingPolicy {
  readonly intervals: TlsIntervals;
  /** Whether an agent that starts enrols anew, such as where its database does not outlive the version. */
  readonly enrolsAtStart: boolean;
  /** Requests a second that the server may get. */
  readonly budgetPerS: number;
  /** How long the starts of one wave may take, ms: a wave that needs longer is cut. */
  readonly waveWithinMs: number;
}

export interface Pace {
  /** Requests a second of the whole fleet at rest. */
  readonly steadyPerS: number;
  /** Requests that one start costs at once. */
  readonly perStart: number;
  /** Starts a second that the budget leaves room for; 0: none. */
  readonly startsPerS: number;
  /** Least distance of two starts, ms, 0: no bound that matters; null: there is no room at all. */
  readonly gapMs: number | null;
  /** Largest wave whose starts fit into `waveWithinMs`; at least 1 where there is any room. */
  readonly mostInWave: number;
}

/** `fleet`: how many agents that server has; at least those of the environment. */
export function paceOf(
  { intervals, enrolsAtStart, budgetPerS, waveWithinMs }: PacingPolicy,
  fleet: number,
): Pace {
  const asked = [intervals.configMs, intervals.loggerMs, intervals.distributedMs].filter(
    (interval) => interval !== undefined && interval > 0,
  ) as number[];
  const perAgent = asked.reduce((sum, interval) => sum + 1000 / interval, 0);
  const steadyPerS = fleet * perAgent;
  const perStart = asked.length + (enrolsAtStart ? 1 : 0);
  const room = budgetPerS - steadyPerS;
  if (room <= 0) return { steadyPerS, perStart, startsPerS: 0, gapMs: null, mostInWave: 0 };
  if (perStart === 0) return { steadyPerS, perStart, startsPerS: budgetPerS, gapMs: 0, mostInWave: fleet };
  const startsPerS = room / perStart;
  return {
    steadyPerS,
    perStart,
    startsPerS,
    gapMs: 1000 / startsPerS,
    mostInWave: Math.max(1, Math.floor((startsPerS * waveWithinMs) / 1000)),
  };
}

/** The arithmetic in a sentence for `plan`. */
export function paceInWords(policy: PacingPolicy, fleet: number, pace: Pace): string {
  const budget = `of ${amount(policy.budgetPerS)} that their server may get`;
  const steady = `${fleet} agents ask ${amount(pace.steadyPerS)} times a second ${budget}`;
  if (pace.gapMs === null) return `${steady}: there is no room for a start`;
  const starts = `a start costs ${pace.perStart} at once, so that ${amount(pace.startsPerS)} may start a second`;
  return `${steady}; ${starts}, and at most ${pace.mostInWave} in one wave`;
}

function amount(value: number): string {
  return String(Number(value.toPrecision(3)));
}
