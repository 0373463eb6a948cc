/** Every built-in gate has a number on the embedded fleet: of its endpoint, or of the probe on its hosts. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';
import { prometheusMetrics } from '../../../src/adapters/prometheus/prometheus-metrics.ts';
import { agentSamples } from '../../../src/adapters/sandbox/agent-samples.ts';
import { type MetricsEndpoint, serveMetrics } from '../../../src/adapters/sandbox/metrics-endpoint.ts';
import { BUILTIN_GATES, BUILTIN_READINGS } from '../../../src/domain/builtin-gates.ts';
import { probeAnswerOf } from '../../../src/domain/probe.ts';
import { samplesOf } from '../../../src/domain/probe-numbers.ts';
import { measure } from '../../../src/engine/measure.ts';
import { makePackage, ShimHost } from '../../host/shim-host.ts';

let host: ShimHost;
let endpoint: MetricsEndpoint;
const samples = () => agentSamples([{ name: 'web-01', root: host.root }], 'osqueryd');

beforeEach(async () => {
  host = new ShimHost();
  await host.install(makePackage('5.9.1-1.linux', { behaviour: 'cpu=0.4\nmemory=60000000\nthrottled=80' }));
});
afterEach(async () => {
  await endpoint?.close();
  host.remove();
});

it('of the endpoint that speaks Prometheus’ API', async () => {
  const seen = samples();
  const now = Date.now();
  for (const back of [3_000, 2_000, 1_000, 0]) await seen.sample(now - back);
  endpoint = await serveMetrics(seen, ['web-01']);
  const metrics = prometheusMetrics({
    url: async () => ({ ok: true, value: endpoint.url }),
    auth: { kind: 'none' },
    timeoutMs: 5_000,
    parameters: {},
    secrets: { read: async () => ({ ok: false, error: 'no secret is needed here' }) },
    clock: systemClock,
  });
  const gates = Object.values(BUILTIN_GATES)
    .filter(({ source }) => source === undefined)
    .map(({ name, query, unit, direction, limit }) => ({
      name,
      query,
      unit,
      direction,
      limit,
      windowMs: 2_000,
      forMs: 0,
    }));
  const measured = await measure({
    metrics,
    gates,
    hosts: [{ id: '1', name: 'web-01', address: '127.0.0.1', zone: 'z', role: 'web' }],
    settings: { hostLabel: 'fqdn', hostValue: '{name}', matchers: '' },
    from: now - 1_000,
    to: now,
    stepMs: 1_000,
    process: 'osqueryd',
    environment: 'lab',
  });
  const values = measured.map(({ gate, outcome }) => [
    gate.name,
    outcome.kind === 'measured' ? outcome.byHost.get('1')?.at(-1)?.value : outcome,
  ]);
  expect(Object.fromEntries(values)).toEqual({
    'agent-cpu': expect.closeTo(0.4, 1),
    'agent-memory': 60_000_000,
    'agent-restarts': 0,
    'agent-alive': 2,
    'host-run-queue': expect.closeTo(0.03, 2),
    alerts: 1,
  });
});

it('of the probe on its hosts', async () => {
  const { exitCode, steps } = await host.run({
    program: 'probe',
    agent: { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' },
    sampleMs: 1_000,
    resultsLog: '/var/log/osquery/osqueryd.results.log',
  });
  const read = probeAnswerOf(exitCode, steps);
  if (!read.ok) throw new Error(read.error);
  const asked = { gate: { windowMs: 60_000 }, at: 0, stepMs: 1_000 };
  const numbers = Object.values(BUILTIN_READINGS).flatMap((name) =>
    name === null || name === 'run-queue'
      ? []
      : [[name, samplesOf(name, read.value, asked).samples.at(-1)?.value] as const],
  );
  // (Its hosts have no kernel of their own that would tell of a run queue.)
  expect(Object.fromEntries(numbers)).toEqual({
    cpu: expect.closeTo(0.4, 1),
    memory: expect.closeTo(60e6, -4),
    restarts: 0,
    processes: 1,
    throttled: expect.closeTo(0.8, 0),
    silence: 0,
  });
});
