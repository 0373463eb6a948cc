/**
 * A metrics backend in memory: every number comes from a function of signal, host and time.
 *
 * It does not know PromQL. It reads two things out of a query: the signal, which is a built-in gate's name where the query
 * is one of theirs, else the metric name that the query begins with; and the hosts of the matcher `<label>=~"..."`.
 */
import type { Sample } from '../../src/domain/gate.ts';
import { err, ok, type Result } from '../../src/domain/result.ts';
import type {
  MetricSeries,
  Metrics,
  MetricsError,
  RangeAnswer,
  RangeQuery,
} from '../../src/ports/metrics.ts';

/** undefined: no sample. */
export type MetricReading = number | undefined;

export interface MemoryMetricsOptions {
  /** Label that names the host. */
  readonly label: string;
  /** One host's number at one time, ms since the epoch. A host that never has one gets no series. */
  readonly read: (signal: string, host: string, at: number) => MetricReading;
}

export interface MemoryMetrics extends Metrics {
  /** While set, every query fails with it. */
  failure: MetricsError | null;
  /** While not empty, the answer is not whole. */
  warnings: readonly string[];
  /** Hosts that have two series, as if two jobs scraped them. */
  readonly twice: Set<string>;
  /** Every query asked, oldest first. */
  readonly asked: RangeQuery[];
}

export function memoryMetrics({ label, read }: MemoryMetricsOptions): MemoryMetrics {
  const metrics: MemoryMetrics = {
    failure: null,
    warnings: [],
    twice: new Set(),
    asked: [],
    async range(query): Promise<Result<RangeAnswer, MetricsError>> {
      metrics.asked.push(query);
      if (metrics.failure !== null) return err(metrics.failure);
      const broken = unbalanced(query.query);
      if (broken !== null)
        return err({ kind: 'rejected', message: `bad_data: parse error: unclosed ${broken}` });
      const signal = signalOf(query.query);
      const series: MetricSeries[] = [];
      for (const host of hostsOf(query.query, label)) {
        const samples: Sample[] = [];
        for (let at = query.from; at <= query.to; at += query.stepMs) {
          const value = read(signal, host, at);
          if (value !== undefined) samples.push({ at, value });
        }
        if (samples.length === 0) continue;
        series.push({ labels: { [label]: host }, samples });
        if (metrics.twice.has(host)) series.push({ labels: { [label]: host, job: 'second' }, samples });
      }
      return ok({ series, warnings: metrics.warnings });
    },
  };
  return metrics;
}

/** The built-in gate that a query is, or the metric name it begins with. */
export function signalOf(query: string): string {
  // These two first: their queries also look at num_procs.
  if (query.includes('ALERTS{')) return 'alerts';
  if (query.includes('namegroup_cpu_')) return 'agent-cpu';
  if (query.includes('namegroup_memory_bytes')) return 'agent-memory';
  if (query.includes('namegroup_oldest_start_time')) return 'agent-restarts';
  if (query.includes('namegroup_num_procs')) return 'agent-alive';
  if (query.includes('schedstat_waiting')) return 'host-run-queue';
  return /^[a-zA-Z_:][\w:]*/.exec(query)?.[0] ?? '';
}

/** The hosts that `<label>=~"a|b"` names, unescaped. */
export function hostsOf(query: string, label: string): readonly string[] {
  const literal = new RegExp(`[{,]\\s*${label}=~("(?:[^"\\\\]|\\\\.)*")`).exec(query)?.[1];
  if (literal === undefined) return [];
  const hosts = [''];
  for (const [part] of (JSON.parse(literal) as string).matchAll(/\\.|[^\\]/gsu)) {
    if (part === '|') hosts.push('');
    else hosts[hosts.length - 1] += part.startsWith('\\') ? part.slice(1) : part;
  }
  return hosts.filter((host) => host !== '');
}

function unbalanced(query: string): string | null {
  const text = query.replaceAll(/"(?:[^"\\]|\\.)*"/g, '');
  const count = (sign: string): number => text.split(sign).length;
  if (count('{') !== count('}')) return 'left brace';
  return count('(') === count(')') ? null : 'left parenthesis';
}
