import { describe, expect, it } from 'vitest';
import { BUILTIN_GATES } from '../../src/domain/builtin-gates.ts';
import { judge } from '../../src/domain/judge.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';
import { type MeasuredHost, measure } from '../../src/engine/measure.ts';
import { memoryMetrics } from '../fakes/memory-metrics.ts';

const T0 = 1_800_000_000_000;
const settings = { hostLabel: 'fqdn', hostValue: '{name}.example.com', matchers: 'env="gprd"' };
const gate = (name: string, forMs = 0): GatePolicy => ({
  ...BUILTIN_GATES['agent-alive'],
  name,
  query: `${name}{$label=~"$hosts"$matchers}`,
  forMs,
});
const host = (id: string, more: Partial<MeasuredHost> = {}): MeasuredHost => ({
  id,
  name: `web-${id}`,
  address: '10.0.0.1',
  zone: 'z',
  role: 'web',
  ...more,
});
const many = (count: number) => Array.from({ length: count }, (_, index) => host(String(index)));

function setup(read: (signal: string, value: string, at: number) => number | undefined = () => 1) {
  const metrics = memoryMetrics({ label: 'fqdn', read });
  const run = (
    gates: readonly GatePolicy[],
    hosts: readonly MeasuredHost[],
    span: { from?: number; to?: number } = {},
  ) =>
    measure({
      metrics,
      gates,
      hosts,
      settings,
      from: T0,
      to: T0 + 30_000,
      stepMs: 10_000,
      process: 'osqueryd',
      ...span,
    });
  return { metrics, run };
}

describe('measure', () => {
  it('asks one query a gate for a whole wave and sorts the series by host', async () => {
    const { metrics, run } = setup((signal, value) =>
      signal === 'x' && value === 'web-1.example.com' ? 5 : 2,
    );
    const [x, y] = await run([gate('x'), gate('y')], many(200));
    expect(metrics.asked).toHaveLength(2);
    expect(x?.outcome).toMatchObject({ kind: 'measured', ambiguous: [], warnings: [] });
    const values = x?.outcome.kind === 'measured' ? x.outcome.byHost : new Map();
    expect(values.size).toBe(200);
    expect(values.get('1')).toEqual([0, 1, 2, 3].map((k) => ({ at: T0 + k * 10_000, value: 5 })));
    expect(y?.gate.name).toBe('y');
    expect(x?.query).toContain('env="gprd"');
  });

  it('asks for the step before the span, and where a gate has a for so much before it, on the same grid', async () => {
    const { metrics, run } = setup();
    await run([gate('x'), gate('y', 15_000)], [host('1')], { to: T0 + 34_000 });
    expect(metrics.asked.map(({ from, to }) => [from - T0, to - T0])).toEqual([
      [0, 30_000],
      [-20_000, 30_000],
    ]);
  });

  it('a lost scrape of one of 200 hosts is borne, for the step before the span was asked for', async () => {
    const { run } = setup((_, value, at) => (value === 'web-7.example.com' && at > T0 ? undefined : 1));
    const measurements = await run([gate('x')], many(200), { to: T0 + 10_000 });
    const span = { from: T0, to: T0 + 10_000, stepMs: 10_000 };
    expect(judge({ measurements, hosts: many(200), ...span })).toMatchObject({
      kind: 'pass',
      observedMs: 10_000,
    });
    const changed = many(200).map((one) => ({ ...one, changedAt: T0 }));
    expect(judge({ measurements, hosts: changed, ...span })).toMatchObject({
      kind: 'inconclusive',
      observedMs: 0,
    });
  });

  it('asks nothing where the span holds no whole step, which judges as no data', async () => {
    const { metrics, run } = setup();
    const measurements = await run([gate('x')], [host('1')], { to: T0 + 9_000 });
    expect(metrics.asked).toEqual([]);
    const verdict = judge({ measurements, hosts: [host('1')], from: T0, to: T0 + 9_000, stepMs: 10_000 });
    expect(verdict).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
  });

  it('asks nothing without hosts', async () => {
    const { metrics, run } = setup();
    const [x] = await run([gate('x')], []);
    expect(metrics.asked).toEqual([]);
    expect(x?.outcome).toMatchObject({ kind: 'measured' });
  });

  it('leaves a host without series out, so that the judge can name it', async () => {
    const { run } = setup((_, value) => (value.startsWith('web-2.') ? undefined : 1));
    const [x] = await run([gate('x')], many(3));
    expect(x?.outcome.kind === 'measured' ? [...x.outcome.byHost.keys()] : []).toEqual(['0', '1']);
  });

  it('calls a host with two series ambiguous', async () => {
    const { metrics, run } = setup();
    metrics.twice.add('web-1.example.com');
    const [x] = await run([gate('x')], many(3));
    expect(x?.outcome).toMatchObject({ ambiguous: ['1'] });
  });

  it('calls hosts ambiguous whose label value is the same', async () => {
    const { run } = setup();
    const [x] = await run([gate('x')], [host('1'), host('2', { name: 'web-1' }), host('3')]);
    expect(x?.outcome).toMatchObject({ ambiguous: ['1', '2'] });
  });

  it('counts series that name no host, with an example', async () => {
    const { metrics } = setup();
    const [x] = await measure({
      metrics: {
        range: async () => ({
          ok: true,
          value: {
            series: [{ labels: { instance: 'web-1:9256' }, samples: [{ at: T0 + 10_000, value: 1 }] }],
            warnings: [],
          },
        }),
      },
      gates: [gate('x')],
      hosts: [host('1')],
      settings,
      from: T0,
      to: T0 + 10_000,
      stepMs: 10_000,
      process: 'osqueryd',
    });
    expect(metrics.asked).toEqual([]);
    expect(x?.outcome).toMatchObject({ unmatched: { count: 1, example: '{instance="web-1:9256"}' } });
  });

  it('puts the parts of a long host list together, few queries at once', async () => {
    const { metrics } = setup();
    let running = 0;
    let most = 0;
    const counted = {
      range: async (query: Parameters<typeof metrics.range>[0]) => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        return metrics.range(query);
      },
    };
    const hosts = many(3_000);
    const input = { metrics: counted, gates: [gate('x')], hosts, settings, process: 'osqueryd' };
    const [x] = await measure({ ...input, from: T0, to: T0 + 10_000, stepMs: 10_000 });
    expect(metrics.asked.length).toBeGreaterThan(4);
    expect(metrics.asked.length).toBeLessThan(20);
    expect(most).toBe(4);
    expect(x?.outcome.kind === 'measured' ? x.outcome.byHost.size : 0).toBe(3_000);
    expect(x?.query.length).toBeLessThan(1_000);
  });

  it('has no answer at all for a gate of which one part failed, and keeps the other gates', async () => {
    const { metrics } = setup();
    let asked = 0;
    const flaky = {
      range: async (query: Parameters<typeof metrics.range>[0]) => {
        asked += 1;
        if (asked === 2) return { ok: false, error: { kind: 'unavailable', message: 'HTTP 503' } } as const;
        return metrics.range(query);
      },
    };
    const input = {
      metrics: flaky,
      gates: [gate('x'), gate('y')],
      hosts: many(1_000),
      settings,
      process: 'osqueryd',
    };
    const [x, y] = await measure({ ...input, from: T0, to: T0 + 10_000, stepMs: 10_000 });
    expect(x?.outcome).toEqual({ kind: 'backend-error', message: 'HTTP 503' });
    expect(y?.outcome.kind).toBe('measured');
  });

  it('tells each warning once', async () => {
    const { metrics, run } = setup();
    metrics.warnings = ['store a gone'];
    const [x] = await run([gate('x')], many(1_000));
    expect(x?.outcome).toMatchObject({ warnings: ['store a gone'] });
  });
});
