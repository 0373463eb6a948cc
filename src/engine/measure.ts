/**
 * Asks the metrics backend for every gate over a wave's hosts, and over those that they are compared with, and sorts the answer by host.
 * Decides nothing.
 *
 * N1  A series counts for a host only if its label names that host and no other.
 * N2  A second series of a host, in whichever part of the answer, makes the host ambiguous.
 * N3  A gate with one part missing has no answer at all: `backend-error`.
 * N4  Changed and control hosts stand in one question, over the same time: what hits the whole site hits both.
 */
import type { PrometheusSettings } from '../domain/connection.ts';
import type { GateMeasurement, Sample } from '../domain/gate.ts';
import { type QueryFillings, renderQuery, showQuery } from '../domain/gate-query.ts';
import type { HostId } from '../domain/host.ts';
import { hostValueFor } from '../domain/host-value.ts';
import type { GatePolicy } from '../domain/policy.ts';
import type { Result } from '../domain/result.ts';
import type { Metrics, MetricsError, RangeAnswer } from '../ports/metrics.ts';

/** What a host's label value may be made of; a planned host has all of it. */
export interface MeasuredHost {
  readonly id: HostId;
  readonly name: string;
  readonly address: string;
  readonly zone: string;
  readonly role: string;
}

export interface MeasureInput {
  readonly metrics: Metrics;
  readonly gates: readonly GatePolicy[];
  readonly hosts: readonly MeasuredHost[];
  /** Asked too by gates that compare with control. Absent: none. */
  readonly controls?: readonly MeasuredHost[];
  /** Beginning of the watch, ms since the epoch: where there are controls, nothing is asked of the time before it and of a gate's look-back. */
  readonly since?: number;
  /** Name of the environment, for queries. */
  readonly environment?: string;
  readonly settings: Pick<PrometheusSettings, 'hostLabel' | 'hostValue' | 'matchers'>;
  /** Span (from, to] that will be judged, ms since the epoch; the step before it is asked for too, and with `forMs` so much before it. */
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
  /** Ask for nothing before the span, for numbers that are not judged. */
  readonly onlySpan?: true;
  /** Name of the agent's process group. */
  readonly process: string;
}

/** Queries in flight at once: a Prometheus runs 20 by default, for everybody. */
const PARALLEL = 4;

/** One measurement a gate, in the gates' order. Never throws for what the backend does; may be repeated. */
export async function measure(input: MeasureInput): Promise<GateMeasurement[]> {
  const { gates, from, to, stepMs, metrics } = input;
  const steps = stepMs > 0 ? Math.floor((to - from) / stepMs) : 0;
  const asked = gates.map((gate) => askedOf(gate, input));
  const parts = gates.map((): Result<RangeAnswer, MetricsError>[] => []);
  const jobs = gates.flatMap((gate, index) => {
    const range = { from: firstStep(gate, input, steps), to: from + steps * stepMs, stepMs };
    return renderQuery(gate, asked[index]?.fillings ?? NO_FILLINGS).map((query) => async () => {
      parts[index]?.push(await metrics.range({ query, ...range }));
    });
  });
  if (steps > 0) await runSome(jobs);
  return gates.map((gate, index) => ({
    gate,
    query: showQuery(gate, asked[index]?.fillings ?? NO_FILLINGS),
    outcome: sortOut(parts[index] ?? [], input.settings.hostLabel, asked[index]?.byValue ?? new Map()),
  }));
}

interface Asked {
  readonly byValue: ReadonlyMap<string, readonly HostId[]>;
  readonly fillings: QueryFillings;
}

const NO_FILLINGS: QueryFillings = { label: '', hostValues: [], process: '', matchers: '' };

/** N4. */
function askedOf(
  gate: GatePolicy,
  { hosts, controls = [], settings, process, environment }: MeasureInput,
): Asked {
  const all = gate.compare?.with === 'control' ? [...hosts, ...controls] : hosts;
  const byValue = hostsByValue(all, settings.hostValue);
  const fillings: QueryFillings = {
    label: settings.hostLabel,
    hostValues: [...byValue.keys()],
    process,
    matchers: settings.matchers,
    ...(environment === undefined ? {} : { environment }),
  };
  return { byValue, fillings };
}

/**
 * On the judge's own grid. `from` itself, the step before the span, is needed to know who has only just lost a scrape (K5 in
 * domain/judge.ts), and since when a limit has been exceeded.
 */
function firstStep(
  gate: GatePolicy,
  { from, stepMs, controls = [], since, onlySpan }: MeasureInput,
  steps: number,
): number {
  if (onlySpan) return from + stepMs;
  const first = from - Math.ceil(gate.forMs / stepMs) * stepMs;
  const { compare } = gate;
  if (compare === undefined) return first;
  const compared = from + (steps - Math.ceil(compare.overMs / stepMs) + 1) * stepMs;
  const wanted = Math.min(first, compared);
  if (since === undefined || compare.with !== 'control' || controls.length === 0) return wanted;
  // Of the changed hosts only what lies behind the change is compared: of the others the same time, or a burst that one side alone is
  // asked about would be blamed on the version.
  const clear = from + Math.ceil((since + gate.windowMs - from) / stepMs) * stepMs;
  return Math.max(wanted, Math.min(clear, from > since ? from : from + stepMs));
}

function hostsByValue(
  hosts: readonly MeasuredHost[],
  template: string,
): ReadonlyMap<string, readonly HostId[]> {
  const byValue = new Map<string, HostId[]>();
  for (const host of hosts) {
    const value = hostValueFor(template, host);
    const same = byValue.get(value);
    if (same === undefined) byValue.set(value, [host.id]);
    else same.push(host.id);
  }
  return byValue;
}

function sortOut(
  parts: readonly Result<RangeAnswer, MetricsError>[],
  label: string,
  byValue: ReadonlyMap<string, readonly HostId[]>,
): GateMeasurement['outcome'] {
  const byHost = new Map<HostId, readonly Sample[]>();
  const ambiguous = new Set<HostId>();
  const warnings = new Set<string>();
  let unmatched = 0;
  let example = '';
  for (const part of parts) {
    if (!part.ok) return { kind: 'backend-error', message: part.error.message };
    for (const warning of part.value.warnings) warnings.add(warning);
    for (const series of part.value.series) {
      const ids = byValue.get(series.labels[label] ?? '');
      if (ids === undefined) {
        unmatched += 1;
        if (unmatched === 1) example = showLabels(series.labels);
        continue;
      }
      for (const id of ids) {
        if (ids.length > 1 || byHost.has(id)) ambiguous.add(id);
        byHost.set(id, series.samples);
      }
    }
  }
  return {
    kind: 'measured',
    byHost,
    ambiguous: [...ambiguous],
    warnings: [...warnings],
    ...(unmatched === 0 ? {} : { unmatched: { count: unmatched, example } }),
  };
}

function showLabels(labels: Readonly<Record<string, string>>): string {
  const shown = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${shown.join(',')}}`.slice(0, 200);
}

async function runSome(jobs: readonly (() => Promise<void>)[]): Promise<void> {
  const waiting = [...jobs];
  const worker = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await job();
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, jobs.length) }, worker));
}
