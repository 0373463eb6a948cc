/**
 * Asks the metrics backend for every gate over a wave's hosts and sorts the answer by host. Decides nothing.
 *
 * N1  A series counts for a host only if its label names that host and no other.
 * N2  A second series of a host, in whichever part of the answer, makes the host ambiguous.
 * N3  A gate with one part missing has no answer at all: `backend-error`.
 */
import type { PrometheusSettings } from '../domain/connection.ts';
import type { GateMeasurement, Sample } from '../domain/gate.ts';
import { type QueryFillings, renderQuery, showQuery } from '../domain/gate-query.ts';
import type { HostId } from '../domain/host.ts';
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
  readonly settings: Pick<PrometheusSettings, 'hostLabel' | 'hostValue' | 'matchers'>;
  /** Span (from, to] that will be judged, ms since the epoch; a gate with `forMs` is asked for that much before it too. */
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
  /** Name of the agent's process group. */
  readonly process: string;
}

/** Queries in flight at once: a Prometheus runs 20 by default, for everybody. */
const PARALLEL = 4;

/** One measurement a gate, in the gates' order. Never throws for what the backend does; may be repeated. */
export async function measure(input: MeasureInput): Promise<GateMeasurement[]> {
  const { gates, hosts, settings, from, to, stepMs, metrics } = input;
  const byValue = hostsByValue(hosts, settings.hostValue);
  const fillings: QueryFillings = {
    label: settings.hostLabel,
    hostValues: [...byValue.keys()],
    process: input.process,
    matchers: settings.matchers,
  };
  const steps = stepMs > 0 ? Math.floor((to - from) / stepMs) : 0;
  const parts = gates.map((): Result<RangeAnswer, MetricsError>[] => []);
  const jobs = gates.flatMap((gate, index) => {
    // On the judge's own grid; `from` itself is only needed to know since when a limit has been exceeded.
    const first = gate.forMs > 0 ? from - Math.ceil(gate.forMs / stepMs) * stepMs : from + stepMs;
    const range = { from: first, to: from + steps * stepMs, stepMs };
    return renderQuery(gate, fillings).map((query) => async () => {
      parts[index]?.push(await metrics.range({ query, ...range }));
    });
  });
  if (steps > 0) await runSome(jobs);
  return gates.map((gate, index) => ({
    gate,
    query: showQuery(gate, fillings),
    outcome: sortOut(parts[index] ?? [], settings.hostLabel, byValue),
  }));
}

/** The value that the host label has for a host. Unknown placeholders stay as they are. */
export function hostLabelValue(template: string, host: MeasuredHost): string {
  return template.replaceAll(/\{(name|id|address|zone|role)\}/g, (_, key: keyof MeasuredHost) => host[key]);
}

function hostsByValue(
  hosts: readonly MeasuredHost[],
  template: string,
): ReadonlyMap<string, readonly HostId[]> {
  const byValue = new Map<string, HostId[]>();
  for (const host of hosts) {
    const value = hostLabelValue(template, host);
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
