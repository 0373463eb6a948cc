import { describe, expect, it } from 'vitest';
import { BUILTIN_GATES } from '../../src/domain/builtin-gates.ts';
import { renderQuery } from '../../src/domain/gate-query.ts';
import { contractMetrics, MEMORY_QUERIES } from '../contract/memory-queries.ts';
import { metricsContract } from '../contract/metrics.ts';
import { hostsOf, memoryMetrics, signalOf } from './memory-metrics.ts';

metricsContract('the fake in memory', async () => ({
  metrics: contractMetrics(),
  queries: MEMORY_QUERIES,
  close: async () => {},
}));

describe('the fake in memory', () => {
  it('knows the built-in gates and the hosts they are asked for', () => {
    const hostValues = ['h1.example.com', 'odd|"\\name'];
    for (const gate of Object.values(BUILTIN_GATES).filter(({ source }) => source === undefined)) {
      const [query = ''] = renderQuery(gate, {
        label: 'fqdn',
        hostValues,
        process: 'osqueryd',
        matchers: '',
      });
      expect(signalOf(query)).toBe(gate.name);
      expect(hostsOf(query, 'fqdn')).toEqual(hostValues);
    }
  });

  it('can fail, be not whole, and measure a host twice', async () => {
    const metrics = memoryMetrics({ label: 'host', read: () => 1 });
    const ask = () => metrics.range({ query: 'x{host=~"h1|h2"}', from: 0, to: 0, stepMs: 1 });
    metrics.twice.add('h2');
    metrics.warnings = ['store gone'];
    const answer = await ask();
    expect(answer).toMatchObject({ ok: true, value: { warnings: ['store gone'] } });
    expect(answer.ok ? answer.value.series.map((one) => one.labels['host']) : []).toEqual(['h1', 'h2', 'h2']);
    metrics.failure = { kind: 'unavailable', message: 'down' };
    expect(await ask()).toEqual({ ok: false, error: metrics.failure });
  });
});
