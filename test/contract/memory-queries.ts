/** The contract's queries as the fake in memory understands them, with its numbers. */
import { type MemoryMetrics, memoryMetrics } from '../fakes/memory-metrics.ts';
import type { MetricsHarness } from './metrics.ts';

export const MEMORY_QUERIES: MetricsHarness['queries'] = {
  one: 'seven{host=~"h1"}',
  two: 'number{host=~"h1|h2"}',
  none: 'absent{host=~"h1"}',
  nan: 'nan{host=~"h1"}',
  infinite: 'infinite{host=~"h1"}',
  negativeInfinite: 'negative_infinite{host=~"h1"}',
  broken: 'seven{host=~"h1"',
};

const VALUES: Readonly<Record<string, number>> = {
  seven: 7,
  nan: Number.NaN,
  infinite: Number.POSITIVE_INFINITY,
  negative_infinite: Number.NEGATIVE_INFINITY,
};

export function contractMetrics(): MemoryMetrics {
  return memoryMetrics({
    label: 'host',
    read: (signal, host) => (signal === 'number' ? Number(host.slice(1)) : VALUES[signal]),
  });
}
