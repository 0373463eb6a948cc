/**
 * The numbers that gates get from a host's readings: the same that Prometheus would give. Pure.
 *
 * PB2  Rates are over the host's uptime, which nobody sets. A counter that went back, and a main process that is another one, give no
 *      number for that span: rather none than nonsense.
 * PB3  A number stands for the steps that lie between its reading and the one before, and for no others.
 */
import type { Sample } from './gate.ts';
import type { GatePolicy } from './policy.ts';
import type { ProbeAnswer, ProbeReading, ProbeReadingName, ProbeSchedule, ProbeWrites } from './probe.ts';
import { quotaWords } from './probe-quota.ts';

/** USER_HZ of every machine that osquery is built for. */
const TICK_MS = 10;
/** Fewer records than this say nothing about what is usual. */
const FEWEST_RECORDS = 10;

export interface SamplesAsked {
  readonly gate: Pick<GatePolicy, 'windowMs'>;
  /** The newest step, ms since the epoch: that of the newest reading. */
  readonly at: number;
  readonly stepMs: number;
}

export interface ProbeNumbers {
  readonly samples: readonly Sample[];
  /** What the newest number rests on, or why there is none. */
  readonly note: string;
}

/** Most steps that one reading stands for. */
const MOST_STEPS = 3_600;

/** The numbers of one reading's name at the steps that the host's readings cover (PB3), oldest first. */
export function samplesOf(name: ProbeReadingName, answer: ProbeAnswer, asked: SamplesAsked): ProbeNumbers {
  const { readings } = answer;
  const { gate, at, stepMs } = asked;
  const samples: Sample[] = [];
  const last = readings.at(-1) ?? readings[0];
  let note = 'nothing to compare it with yet';
  for (const [index, reading] of readings.entries()) {
    // What was written is told only once, of now.
    if (name === 'silence' && reading !== last) continue;
    const told =
      name === 'silence'
        ? silenceOf(last, answer.writes, answer.schedule)
        : numberOf(name, readings.slice(0, index + 1), gate.windowMs);
    note = told.note;
    if (told.value === null) continue;
    const covers = coveredMs(readings[index - 1], reading);
    const steps = stepMs > 0 ? Math.min(MOST_STEPS, Math.max(1, Math.round(covers / stepMs))) : 1;
    const back = stepMs > 0 ? Math.round((last.upMs - reading.upMs) / stepMs) : 0;
    for (let step = steps - 1; step >= 0; step -= 1) {
      const value = name === 'silence' ? Math.max(0, told.value - (step * stepMs) / 1000) : told.value;
      samples.push({ at: at - (back + step) * stepMs, value });
    }
  }
  return { samples: onePerStep(samples), note };
}

/** What is read at a moment tells of the time before it only where the same process was there all along. */
function coveredMs(before: ProbeReading | undefined, reading: ProbeReading): number {
  return before === undefined || !isSame(before, reading) ? 0 : reading.upMs - before.upMs;
}

/** Where two readings speak for a step, the later one does. */
function onePerStep(samples: readonly Sample[]): Sample[] {
  const byTime = new Map(samples.map((sample) => [sample.at, sample.value]));
  return [...byTime].sort(([a], [b]) => a - b).map(([at, value]) => ({ at, value }));
}

interface Told {
  readonly value: number | null;
  readonly note: string;
}

const none = (note: string): Told => ({ value: null, note });

/** The number that the last of these readings gives. */
function numberOf(
  name: Exclude<ProbeReadingName, 'silence'>,
  readings: readonly ProbeReading[],
  windowMs: number,
): Told {
  const last = readings.at(-1);
  if (last === undefined) return none('no reading');
  switch (name) {
    case 'memory':
      return last.processes > 0 && last.rssBytes === 0
        ? none('the processes do not tell their memory')
        : { value: last.rssBytes, note: `resident memory of ${last.processes} processes` };
    case 'processes':
      return {
        value: last.processes,
        note: `the unit is ${last.activeState === '' ? 'unknown' : last.activeState}`,
      };
    case 'restarts':
      return restartsOf(readings, last, windowMs);
    case 'cpu':
    case 'throttled':
    case 'run-queue': {
      const base = baseOf(name, readings, last, windowMs);
      if (base === undefined) return none('there is no other reading of the same process yet');
      return name === 'cpu'
        ? cpuOf(base, last)
        : name === 'throttled'
          ? throttledOf(base, last)
          : runQueueOf(base, last);
    }
    default:
      return name satisfies never;
  }
}

/** The oldest reading within the window that a rate may begin at, or the one before where the window holds none. */
function baseOf(
  name: 'cpu' | 'throttled' | 'run-queue',
  readings: readonly ProbeReading[],
  last: ProbeReading,
  windowMs: number,
): ProbeReading | undefined {
  const earlier = readings.slice(0, -1);
  let base: ProbeReading | undefined;
  for (const one of earlier.toReversed()) {
    if (name !== 'run-queue' && !isSame(one, last)) break;
    if (base !== undefined && last.upMs - one.upMs > windowMs) break;
    base = one;
  }
  return base;
}

/** The main process is the same one, or there is none in either. */
function isSame(a: ProbeReading, b: ProbeReading): boolean {
  return a.mainPid === b.mainPid && (a.beganUs === b.beganUs || (a.mainPid === 0 && b.mainPid === 0));
}

function cpuOf(base: ProbeReading, last: ProbeReading): Told {
  const overMs = last.upMs - base.upMs;
  if (overMs <= 0) return none('no time lies between the readings');
  const over = seconds(overMs);
  if (base.cpuUs !== null && last.cpuUs !== null) {
    const used = last.cpuUs - base.cpuUs;
    if (used < 0) return none("the cgroup's CPU counter went back");
    return { value: used / 1000 / overMs, note: `CPU of the cgroup over ${over}` };
  }
  if (last.processes > 0 && last.list.length === 0) return none('the processes do not tell their CPU');
  const before = new Map(base.list.map(([pid, began, used]) => [`${pid} ${began}`, used]));
  // What a process used before it ended is lost here; what began meanwhile counts from its beginning.
  const ticks = last.list.reduce(
    (sum, [pid, began, used]) => sum + Math.max(0, used - (before.get(`${pid} ${began}`) ?? 0)),
    0,
  );
  return { value: (ticks * TICK_MS) / overMs, note: `CPU of ${last.processes} processes over ${over}` };
}

/**
 * Of all periods that went by, not only of those in which the agent ran: a burst of one second in a minute is throttled in nearly all
 * of its own periods, and harms nobody.
 */
function throttledOf(base: ProbeReading, last: ProbeReading): Told {
  const quota = quotaWords(last.cap);
  if (last.mainPid === 0) return none('the agent does not run');
  if (last.cap.capped === 'unknown') return none(`its cgroup cannot be read; ${quota}`);
  if (last.cap.capped === 'no') return { value: 0, note: quota };
  const overMs = last.upMs - base.upMs;
  const { periods, throttled, throttledUs } = last;
  if (periods === null || throttled === null || base.periods === null || base.throttled === null)
    return none(`throttling is not counted here; ${quota}`);
  const stopped = throttled - base.throttled;
  const busy = periods - base.periods;
  if (stopped < 0 || busy < 0 || overMs <= 0) return none('the counters of throttling went back');
  const all = Math.max(busy, (overMs * 1000) / (last.cap.periodUs ?? 100_000));
  const waited =
    throttledUs === null || base.throttledUs === null || throttledUs < base.throttledUs
      ? ''
      : `, for ${((throttledUs - base.throttledUs) / 1e6).toFixed(1)} s in all`;
  return {
    value: Math.min(1, stopped / all),
    note: `throttled in ${stopped} of ${Math.round(all)} periods over ${seconds(overMs)}${waited}; ${quota}`,
  };
}

function runQueueOf(base: ProbeReading, last: ProbeReading): Told {
  const overMs = last.upMs - base.upMs;
  if (last.waitMs === null || base.waitMs === null || last.waitFrom !== base.waitFrom)
    return none('the kernel does not tell how long tasks wait for a core');
  const waited = last.waitMs - base.waitMs;
  if (waited < 0 || overMs <= 0) return none('the counter of waiting went back');
  if (last.waitFrom === 'pressure')
    return {
      value: waited / overMs,
      note: `any task waiting (/proc/pressure/cpu), over ${seconds(overMs)}`,
    };
  if (last.cores === 0) return none('the host does not tell its cores');
  return {
    value: waited / overMs / last.cores,
    note: `waiting on ${last.cores} cores, over ${seconds(overMs)}`,
  };
}

function restartsOf(readings: readonly ProbeReading[], last: ProbeReading, windowMs: number): Told {
  let seen = 0;
  let newer = last;
  for (const one of readings.slice(0, -1).toReversed()) {
    if (last.upMs - newer.upMs >= windowMs) break;
    // A start that lies before the window, such as the upgrade's own, may be seen only now.
    const startedMs = newer.beganUs === null ? null : last.upMs - newer.beganUs / 1000;
    if (startedMs === null || startedMs < windowMs) seen += startsBetween(one, newer);
    newer = one;
  }
  const overMs = last.upMs - newer.upMs;
  const ageMs = last.mainPid === 0 || last.beganUs === null ? null : last.upMs - last.beganUs / 1000;
  // Nobody looked when the window began: then systemd's own count of crashes since it was last started on purpose.
  const unseen =
    overMs < windowMs && ageMs !== null && ageMs >= 0 && ageMs < windowMs ? (last.restarts ?? 0) : 0;
  const note =
    ageMs === null ? 'it does not run' : `up for ${seconds(ageMs)}, looked at over ${seconds(overMs)}`;
  return { value: Math.max(seen, unseen), note };
}

function startsBetween(older: ProbeReading, newer: ProbeReading): number {
  if (isSame(older, newer) || newer.mainPid === 0) return 0;
  return older.restarts !== null && newer.restarts !== null && newer.restarts > older.restarts
    ? newer.restarts - older.restarts
    : 1;
}

/**
 * The larger of two silences, each beyond what is usual on that host: of the schedule, beyond its shortest interval; of the results
 * log, beyond the largest distance of two records in its last part. So a quiet host is compared with itself.
 */
function silenceOf(last: ProbeReading, writes: ProbeWrites | null, schedule: ProbeSchedule | null): Told {
  if (last.mainPid === 0 && last.processes === 0) return none('the agent does not run');
  const values: number[] = [];
  const notes: string[] = [];
  if (schedule !== null && schedule.queries > 0) {
    const quiet = Math.max(0, schedule.now - schedule.last);
    // Before its first turn a query has executed never, which is no silence.
    const since = last.beganUs === null ? 0 : Math.max(0, (last.upMs - last.beganUs / 1000) / 1000);
    values.push(Math.max(0, Math.min(quiet, since) - schedule.least));
    const denied = schedule.denylisted === 0 ? '' : `, ${schedule.denylisted} of them denylisted`;
    notes.push(
      `${schedule.queries} queries${denied}, executed ${schedule.executions} times, last ${quiet} s ago`,
    );
  }
  if (writes !== null && writes.writtenS !== null && writes.clockS !== null) {
    const quiet = writes.clockS - writes.writtenS;
    if (quiet < 0) notes.push("the results log is newer than the host's clock");
    else if (writes.records < FEWEST_RECORDS || writes.usualS === null)
      notes.push(`results written ${quiet} s ago, too few records to tell what is usual`);
    else {
      values.push(Math.max(0, quiet - writes.usualS));
      notes.push(`results written ${quiet} s ago, up to ${writes.usualS} s apart before`);
    }
  }
  if (notes.length === 0) return none('neither a results log nor a socket of the agent');
  return { value: values.length === 0 ? null : Math.max(...values), note: notes.join('; ') };
}

function seconds(ms: number): string {
  return `${Number((ms / 1000).toPrecision(3))} s`;
}
