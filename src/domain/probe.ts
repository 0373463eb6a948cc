/**
 * What the program `probe` tells of a host. Pure; probe-numbers.ts makes numbers of it.
 *
 * PB1  Everything is text that a host printed: each field is checked and bounded, an odd reading is left out, never guessed at.
 */
import { plainText } from './host-answer.ts';
import type { HostStep } from './host-order.ts';
import type { CgroupCap } from './probe-quota.ts';
import { err, ok, type Result } from './result.ts';

/**
 * `cpu`: cores that all processes of the unit use together. `memory`: their resident bytes. `restarts`: how often the main process was
 * another one. `processes`: how many there are. `throttled`: share (0 to 1) of the quota's periods in which the unit had to stop.
 * `run-queue`: seconds a second and core that tasks of the host wait for a core. `silence`: seconds for which the agent has written
 * or executed nothing, beyond what is usual there.
 */
export const PROBE_READINGS = [
  'cpu',
  'memory',
  'restarts',
  'processes',
  'throttled',
  'run-queue',
  'silence',
] as const;
export type ProbeReadingName = (typeof PROBE_READINGS)[number];

/** One look at a host; null is what it could not read. */
export interface ProbeReading {
  /** Since the host's start, ms. */
  readonly upMs: number;
  readonly activeState: string;
  /** 0: none. */
  readonly mainPid: number;
  /** systemd's NRestarts. */
  readonly restarts: number | null;
  /** Start of the main process since the host's start, us; 0: never. */
  readonly beganUs: number | null;
  readonly processes: number;
  readonly rssBytes: number;
  /** Each process: number, start and CPU used, the latter two in ticks of 10 ms. */
  readonly list: readonly (readonly [pid: number, began: number, used: number])[];
  /** Of the unit's cgroup, also of processes that have ended. */
  readonly cpuUs: number | null;
  readonly periods: number | null;
  readonly throttled: number | null;
  readonly throttledUs: number | null;
  readonly cap: CgroupCap;
  readonly waitMs: number | null;
  /** `schedstat`: summed over all cores; `pressure`: the time in which any task waited. */
  readonly waitFrom: 'schedstat' | 'pressure' | 'none';
  /** 0: not told. */
  readonly cores: number;
}

/** The results log and the agent's own schedule. */
export interface ProbeWrites {
  readonly writtenS: number | null;
  readonly clockS: number | null;
  readonly records: number;
  /** Largest distance of two records at the log's end, seconds. */
  readonly usualS: number | null;
}

export interface ProbeSchedule {
  readonly queries: number;
  readonly denylisted: number;
  readonly executions: number;
  /** Shortest interval of a query, seconds. */
  readonly least: number;
  readonly last: number;
  readonly now: number;
}

export interface ProbeAnswer {
  /** Oldest first; at least one. */
  readonly readings: readonly [ProbeReading, ...ProbeReading[]];
  readonly writes: ProbeWrites | null;
  readonly schedule: ProbeSchedule | null;
}

/** Readings older than this tell nothing any more, ms: CI that calls every hour is late at times, and leaves out a turn. */
const OLDEST_MS = 3 * 60 * 60_000;
const MOST_READINGS = 100;
const MOST_PROCESSES = 64;
const LARGEST_PID = 4_194_304;
const MOST_CORES = 100_000;

/** What a host answered to `probe`; the error is a sentence. Only an answer that ended well counts: the newest reading is then of now. */
export function probeAnswerOf(exitCode: number, steps: readonly HostStep[]): Result<ProbeAnswer, string> {
  const records = (steps as readonly unknown[]).filter(isRecord);
  if (exitCode !== 0) {
    const told = records.findLast((step) => step['ok'] === false && step['step'] !== 'end')?.['message'];
    return err(
      typeof told === 'string' ? plainText(told).slice(0, 300) : `the probe ended with ${String(exitCode)}`,
    );
  }
  const lines = records.filter((step) => step['step'] === 'reading').slice(-MOST_READINGS);
  const last = readingOf(lines.at(-1));
  if (last === null) return err('the probe told no reading, or an odd one');
  const before = lines
    .slice(0, -1)
    .map(readingOf)
    .filter((one): one is ProbeReading => one !== null && last.upMs - one.upMs <= OLDEST_MS)
    .filter((one) => one.upMs < last.upMs)
    .sort((a, b) => a.upMs - b.upMs);
  const readings: ProbeAnswer['readings'] =
    before.length === 0 ? [last] : [before[0] ?? last, ...before.slice(1), last];
  const found = (name: string): Fields | undefined => records.findLast((step) => step['step'] === name);
  return ok({
    readings,
    writes: writesOf(found('writes')),
    schedule: scheduleOf(found('schedule')),
  });
}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** PB1. Null: not as it should be. */
function readingOf(step: Fields | undefined): ProbeReading | null {
  if (step === undefined || step['ok'] !== true) return null;
  const upMs = count(step['upMs']);
  const mainPid = count(step['mainPid'], LARGEST_PID);
  const processes = count(step['processes'], MOST_PROCESSES);
  const rssBytes = count(step['rssBytes']);
  const list = processList(step['list']);
  const activeState = step['activeState'];
  const waitFrom = (['schedstat', 'pressure', 'none'] as const).find((one) => one === step['waitFrom']);
  const capped = (['yes', 'no', 'unknown'] as const).find((one) => one === step['capped']);
  if (upMs === null || mainPid === null || processes === null || rssBytes === null || list === null)
    return null;
  if (typeof activeState !== 'string' || !/^[a-z-]{0,40}$/.test(activeState)) return null;
  if (waitFrom === undefined || capped === undefined) return null;
  return {
    upMs,
    activeState,
    mainPid,
    restarts: count(step['restarts']),
    beganUs: count(step['beganUs']),
    processes,
    rssBytes,
    list,
    cpuUs: count(step['cpuUs']),
    periods: count(step['periods']),
    throttled: count(step['throttled']),
    throttledUs: count(step['throttledUs']),
    cap: {
      capped,
      quotaUs: count(step['capUs']),
      periodUs: positive(count(step['capPeriodUs'])),
      asked:
        typeof step['quota'] === 'string' && /^[a-z0-9. ]{0,60}$/.test(step['quota']) ? step['quota'] : '',
    },
    waitMs: count(step['waitMs']),
    waitFrom,
    cores: coresIn(step['cores']),
  };
}

function processList(value: unknown): ProbeReading['list'] | null {
  if (!Array.isArray(value) || value.length > MOST_PROCESSES) return null;
  const read: [number, number, number][] = [];
  for (const one of value as readonly unknown[]) {
    if (!Array.isArray(one) || one.length !== 3) return null;
    const [pid, began, used] = [count(one[0], LARGEST_PID), count(one[1]), count(one[2])];
    if (pid === null || began === null || used === null) return null;
    read.push([pid, began, used]);
  }
  return read;
}

/** Of the kernel's list, such as `0-3,6`. */
function coresIn(value: unknown): number {
  if (typeof value !== 'string' || !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(value) || value.length > 200) return 0;
  const cores = value.split(',').reduce((sum, part) => {
    const [from = 0, to = from] = part.split('-').map(Number);
    return to < from ? Number.NaN : sum + to - from + 1;
  }, 0);
  return cores > 0 && cores <= MOST_CORES ? cores : 0;
}

function writesOf(step: Fields | undefined): ProbeWrites | null {
  if (step?.['ok'] !== true) return null;
  return {
    writtenS: count(step['writtenS']),
    clockS: positive(count(step['clockS'])),
    records: count(step['records']) ?? 0,
    usualS: count(step['usualS']),
  };
}

function scheduleOf(step: Fields | undefined): ProbeSchedule | null {
  if (step?.['ok'] !== true) return null;
  const read = (key: string): number | null => count(step[key]);
  const [queries, denylisted, executions] = [read('queries'), read('denylisted'), read('executions')];
  const [least, last, now] = [read('least'), read('last'), read('now')];
  if (queries === null || denylisted === null || executions === null) return null;
  if (least === null || last === null || now === null || now < last) return null;
  return { queries, denylisted, executions, least, last, now };
}

function positive(value: number | null): number | null {
  return value === 0 ? null : value;
}

function count(value: unknown, most = Number.MAX_SAFE_INTEGER): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most
    ? value
    : null;
}
