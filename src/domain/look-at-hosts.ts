/**
 * One gate over all hosts: who is silent, who is over the limit and since when, and the one number of each that is compared. Judges
 * nothing. Pure; K1-K3 and K5 are in judge.ts.
 */
import type { HostNumber } from './comparison/host-numbers.ts';
import type { GateMeasurement, GateOffender } from './gate.ts';
import type { HostId } from './host.ts';
import type { GatePolicy } from './policy.ts';
import { StepTally } from './step-tally.ts';
import { isWorse, type Seen, type StepMarks, StepTrack } from './step-track.ts';

export type Measured = Extract<GateMeasurement['outcome'], { kind: 'measured' }>;

export interface HostToLookAt {
  readonly id: HostId;
  readonly name: string;
  readonly stratum?: string;
  readonly changedAt?: number;
}

export interface ToLookAt {
  readonly gate: GatePolicy;
  readonly outcome: Measured;
  readonly hosts: readonly HostToLookAt[];
  readonly controls: readonly HostToLookAt[];
  readonly from: number;
  readonly stepMs: number;
  /** Whole steps of the span. */
  readonly steps: number;
}

export interface Looked {
  readonly hosts: readonly HostToLookAt[];
  readonly tally: StepTally;
  /** Over the limit by a number: for as long as `for` has it, at some step, at the newest step. */
  readonly failed: readonly GateOffender[];
  readonly over: readonly GateOffender[];
  readonly pending: readonly GateOffender[];
  /** Over the limit for being silent, which the gate counts so, for as long as `for` has it. */
  readonly failedSilent: readonly HostToLookAt[];
  /** Names of hosts without a usable number at the newest step that is not borne (K5), those of more than one series among them. */
  readonly silent: readonly string[];
  /** Those of `silent` that are not counted as over the limit. */
  readonly unknown: readonly string[];
  readonly twice: readonly string[];
  /** With fewer numbers than the gate asks for; they are not judged. */
  readonly sparse: readonly string[];
  readonly samples: number;
  readonly worst: number | undefined;
  /** What is compared. */
  readonly changed: readonly HostNumber[];
  readonly control: readonly HostNumber[];
  /** When the first of the hosts has numbers enough to be compared, ms since the epoch; minus infinity: nobody was changed, or nothing is compared. */
  readonly comparesFrom: number;
  /** Strata of control hosts over the limit for as long as `for` has it, one entry a host. */
  readonly controlFailed: readonly string[];
  /** Would it still be too many if only these hosts had been over the limit for long enough? */
  wouldFail(hosts: readonly HostToLookAt[]): boolean;
  /** K6, if only these hosts had been over the limit for long enough: at which steps of the span (from 0) are they too many to be borne? */
  stepsNotBorne(hosts: readonly HostToLookAt[]): readonly boolean[];
}

/** What a host without a stratum is of. */
export function stratumOfHost({ stratum }: HostToLookAt): string {
  return stratum ?? '';
}

export function lookAtHosts(input: ToLookAt): Looked {
  const { gate, outcome, hosts, from, stepMs, steps } = input;
  const { compare, noData = 'hold', weight = { kind: 'any' }, minSamples = 1, minCoverage = 0 } = gate;
  const inSteps = (ms: number): number => (stepMs > 0 ? Math.ceil(ms / stepMs) : 0);
  const forSteps = inSteps(gate.forMs);
  const overSteps = compare === undefined ? 0 : inSteps(compare.overMs);
  const lookBack = Math.max(steps, forSteps, overSteps);
  const track = new StepTrack({ steps, before: Math.max(forSteps, lookBack - steps), from, stepMs, gate });
  const fewestOf = (inAll: number): number => Math.max(minSamples, Math.ceil(minCoverage * inAll - 1e-9));
  const [fewest, fewestCompared] = [fewestOf(lookBack), fewestOf(overSteps)];
  const ambiguous = new Set(outcome.ambiguous);
  const end = from + steps * stepMs;

  // A number is of the time `windowMs` before it, which must lie wholly behind the change and what a start does once. Hosts that are
  // compared with each other are looked at over the same time, or a burst that only one side is seen in would be blamed on the version.
  const clearAfter = (changedAt: number): number => changedAt + (compare?.settleMs ?? 0) + gate.windowMs - 1;
  const newest = hosts.reduce((at, { changedAt = at }) => Math.max(at, changedAt), Number.NEGATIVE_INFINITY);
  const clearOf = ({ changedAt = Number.NEGATIVE_INFINITY }: HostToLookAt): number =>
    clearAfter(compare?.with === 'control' ? newest : changedAt);

  const firstClear = (): number =>
    compare?.with === 'control'
      ? clearAfter(newest)
      : hosts.reduce((at, host) => Math.min(at, clearOf(host)), Number.POSITIVE_INFINITY);
  const clear = compare === undefined || stepMs <= 0 ? Number.NEGATIVE_INFINITY : firstClear();
  const comparesFrom = Number.isFinite(clear)
    ? from + (Math.floor((clear - from) / stepMs) + Math.max(1, fewestCompared)) * stepMs
    : Number.NEGATIVE_INFINITY;

  const numberOf = (host: HostToLookAt): HostNumber | null => {
    if (compare === undefined || steps === 0) return null;
    const level = track.median(Math.max(end - compare.overMs, clearOf(host)), fewestCompared);
    if (level === null) return null;
    return { id: host.id, stratum: stratumOfHost(host), level, before: outcome.before?.get(host.id) };
  };

  // Control hosts first: whether anybody was heard at a step decides what silence at it means.
  const controls = compare?.with === 'control' ? input.controls : [];
  const controlSilent = new Uint32Array(steps);
  const ofControl: StepMarks = {
    missing: (step) => {
      controlSilent[step] = (controlSilent[step] ?? 0) + 1;
    },
    over: () => undefined,
  };
  const control: HostNumber[] = [];
  const controlFailed: string[] = [];
  for (const host of controls) {
    track.load(ambiguous.has(host.id) ? [] : (outcome.byHost.get(host.id) ?? []));
    const { failed } = track.walk(gate.forMs, ofControl);
    const number = numberOf(host);
    if (number === null) continue;
    control.push(number);
    if (failed) controlFailed.push(number.stratum);
  }
  const wasHeard = (step: number): boolean =>
    controls.length === 0 || (controlSilent[step] ?? 0) < controls.length;

  const strata = new Map<string, number>();
  for (const host of hosts) {
    const stratum = stratumOfHost(host);
    if (!strata.has(stratum)) strata.set(stratum, strata.size);
  }
  const placeOf = (host: HostToLookAt): number => strata.get(stratumOfHost(host)) ?? 0;
  const tally = new StepTally({ steps, strata: strata.size, weight, leavesSilentOut: noData === 'abstain' });
  const marks = Array.from(strata, (_, place) => tally.marksOf(place));
  const load = (host: HostToLookAt): void => {
    track.load(outcome.byHost.get(host.id) ?? [], host.changedAt);
    if (noData === 'fail') track.countSilence(host.changedAt ?? Number.NEGATIVE_INFINITY, wasHeard);
  };

  const failed: GateOffender[] = [];
  const over: GateOffender[] = [];
  const pending: GateOffender[] = [];
  const failedSilent: HostToLookAt[] = [];
  const silent: HostToLookAt[] = [];
  const unknown: HostToLookAt[] = [];
  const lapsed = new Set<HostToLookAt>();
  const twice: string[] = [];
  const sparse: string[] = [];
  const changed: HostNumber[] = [];
  let samples = 0;
  let worst: number | undefined;
  for (const host of hosts) {
    const place = placeOf(host);
    tally.addHost(place);
    if (ambiguous.has(host.id)) {
      silent.push(host);
      unknown.push(host);
      twice.push(host.name);
      tally.addMissing(place);
      continue;
    }
    load(host);
    const number = numberOf(host);
    if (number !== null) changed.push(number);
    if (fewest > 1) {
      const glance = track.walk(gate.forMs, null);
      if (!glance.silent && glance.given < fewest) {
        samples += glance.samples;
        sparse.push(host.name);
        tally.addMissing(place);
        continue;
      }
    }
    const seen = track.walk(gate.forMs, marks[place] ?? null);
    samples += seen.samples;
    if (seen.worst !== undefined && (worst === undefined || isWorse(gate.direction, seen.worst, worst)))
      worst = seen.worst;
    if (seen.silent) silent.push(host);
    if (seen.newest === 'missing') unknown.push(host);
    if (seen.lapsed) lapsed.add(host);
    const offender = offenderOf(host, seen, input);
    if (offender !== null) over.push(offender);
    if (offender !== null && seen.newest === 'over' && !seen.silent) pending.push(offender);
    if (!seen.failed) continue;
    if (offender === null) failedSilent.push(host);
    else failed.push(offender);
  }

  const borne = tally.bearsLapses(steps - 1) ? lapsed : new Set<HostToLookAt>();
  const namesOf = (some: readonly HostToLookAt[]): string[] =>
    some.filter((host) => !borne.has(host)).map(({ name }) => name);

  const lastOnly = (some: readonly HostToLookAt[]): void => {
    tally.forgetLasted();
    for (const host of some) {
      load(host);
      track.walk(gate.forMs, tally.marksOf(placeOf(host), true));
    }
  };

  return {
    hosts,
    tally,
    failed,
    over,
    pending,
    failedSilent,
    silent: namesOf(silent),
    unknown: namesOf(unknown),
    twice,
    sparse,
    samples,
    worst,
    changed,
    control,
    comparesFrom,
    controlFailed,
    wouldFail: (some) => {
      lastOnly(some);
      return tally.hasFailed();
    },
    stepsNotBorne: (some) => {
      lastOnly(some);
      return Array.from({ length: steps }, (_, step) => tally.isMoreThanBorne(step));
    },
  };
}

/** Null: no number of the span is over the limit. */
function offenderOf(
  host: HostToLookAt,
  { worst, worstStep }: Seen,
  { gate, from, stepMs }: ToLookAt,
): GateOffender | null {
  if (worst === undefined || !isWorse(gate.direction, worst, gate.limit)) return null;
  return { hostId: host.id, hostName: host.name, value: worst, at: from + worstStep * stepMs };
}
