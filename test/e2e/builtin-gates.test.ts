/**
 * The built-in gates' PromQL, and the Metrics port, on a real Prometheus: hosts that expose what process-exporter of each
 * generation exposes, and what it exposes on a bad day.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/adapters/clock/system-clock.ts';
import { prometheusMetrics } from '../../src/adapters/prometheus/prometheus-metrics.ts';
import { BUILTIN_GATES, type BuiltinGateName } from '../../src/domain/builtin-gates.ts';
import type { GateVerdict } from '../../src/domain/gate.ts';
import { judge } from '../../src/domain/judge.ts';
import { measure } from '../../src/engine/measure.ts';
import type { Metrics } from '../../src/ports/metrics.ts';
import { metricsContract } from '../contract/metrics.ts';
import {
  findPrometheus,
  type LoopbackPrometheus,
  type ScrapedHost,
  startLoopbackPrometheus,
} from './loopback-prometheus.ts';

const found = await findPrometheus();

/** How process-exporter splits the CPU counter, by version. */
type Generation = '0.0' | '0.2' | '0.5';

interface AgentState {
  readonly cores?: number;
  readonly processes?: number;
  readonly residentBytes?: number;
  /** Unix seconds. */
  readonly startedAt?: number;
  /** Seconds a second that tasks wait for each of its two cores. */
  readonly waiting?: readonly [number, number];
  /** Ends every line, ms since the epoch: a sample with its own time is never marked stale. */
  readonly timestamp?: number;
}

/** Go's zero time: what process-exporter exposes for a group without processes. */
const NEVER = -62_135_596_800;

/** Two groups in the style of process-exporter; the second must not be counted. */
function exposition(generation: Generation, elapsedMs: number, state: AgentState): string {
  const { cores = 0.05, processes = 2, residentBytes = 80e6, startedAt = 1_700_000_000, timestamp } = state;
  const { waiting = [0.01, 0.03] } = state;
  const used = (share: number) => (cores * share * elapsedMs) / 1000;
  const group = (name: string, many: number): string[] => {
    const cpu: Readonly<Record<Generation, readonly string[]>> = {
      '0.0': [`cpu_seconds_total{groupname="${name}"} ${many * used(1)}`],
      '0.2': [
        `cpu_user_seconds_total{groupname="${name}"} ${many * used(0.75)}`,
        `cpu_system_seconds_total{groupname="${name}"} ${many * used(0.25)}`,
      ],
      '0.5': [
        `cpu_seconds_total{groupname="${name}",mode="user"} ${many * used(0.75)}`,
        `cpu_seconds_total{groupname="${name}",mode="system"} ${many * used(0.25)}`,
      ],
    };
    return [
      ...cpu[generation],
      `num_procs{groupname="${name}"} ${many * processes}`,
      `memory_bytes{groupname="${name}",memtype="resident"} ${many * residentBytes}`,
      `memory_bytes{groupname="${name}",memtype="virtual"} 9e12`,
      `oldest_start_time_seconds{groupname="${name}"} ${startedAt}`,
    ];
  };
  const lines = [
    ...[...group('osqueryd', 1), ...group('sshd', 100)].map((line) => `namedprocess_namegroup_${line}`),
    ...waiting.map(
      (share, cpu) => `node_schedstat_waiting_seconds_total{cpu="${cpu}"} ${(share * elapsedMs) / 1000}`,
    ),
  ];
  return lines.map((line) => `${line}${timestamp === undefined ? '' : ` ${timestamp}`}\n`).join('');
}

const steady = (generation: Generation, state: AgentState) => (elapsedMs: number) =>
  exposition(generation, elapsedMs, state);

/** A name, and who it is. */
const HOSTS: Readonly<Record<string, ScrapedHost['exposition']>> = {
  'gen00.example.com': steady('0.0', { cores: 0.06 }),
  'gen02.example.com': steady('0.2', { cores: 0.07 }),
  'gen05.example.com': steady('0.5', { cores: 0.08 }),
  // Burns, on a name that an unescaped dot would match.
  gen05xexampleycom: steady('0.5', { cores: 0.9 }),
  'burns.example.com': steady('0.2', { cores: 0.4, residentBytes: 300e6 }),
  'waits.example.com': steady('0.5', { waiting: [0.5, 2] }),
  'dead.example.com': () => exposition('0.5', 0, { processes: 0, residentBytes: 0, startedAt: NEVER }),
  'once.example.com': (elapsedMs) =>
    exposition('0.5', elapsedMs, { startedAt: elapsedMs < 4_500 ? 1e9 : 1e9 + 5 }),
  // Alive, dead, alive, dead, alive: two restarts, however the scrapes fall.
  'crashes.example.com': (elapsedMs) => {
    const life = [1e9, NEVER, 1e9 + 4, NEVER, 1e9 + 8][Math.min(4, Math.floor(elapsedMs / 2_000))] ?? 0;
    return exposition('0.5', elapsedMs, { startedAt: life, processes: life === NEVER ? 0 : 2 });
  },
  // Its exporter stops answering: Prometheus marks its series stale.
  'gone.example.com': (elapsedMs) => (elapsedMs > 6_000 ? null : exposition('0.5', elapsedMs, {})),
  // Its samples carry their own time, which stands still: nothing marks them stale, look-back shows them for 5 min.
  'frozen.example.com': (elapsedMs, startedAt) =>
    exposition('0.5', elapsedMs, { timestamp: startedAt + Math.min(elapsedMs, 4_000) }),
  'twice.example.com': steady('0.5', {}),
};

const scraped: readonly ScrapedHost[] = [
  ...Object.entries(HOSTS).map(([fqdn, exposition]) => ({ fqdn, exposition })),
  { fqdn: 'twice.example.com', job: 'second', exposition: steady('0.5', {}) },
];

/** Two about the agent, on one host; one about something else, on a host that is well. */
const ALERTS = {
  OSQueryHighMemory: 'namedprocess_namegroup_memory_bytes{groupname="osqueryd",memtype="resident"} > 250e6',
  TooMuchOsquery: 'rate(namedprocess_namegroup_cpu_user_seconds_total{groupname="osqueryd"}[4s]) > 0.2',
  DiskFull: 'up{fqdn="gen05.example.com"} == 1',
};

if ('missing' in found) {
  console.warn(`not run: the built-in gates on a real Prometheus: ${found.missing}`);
  describe('a real Prometheus', () => {
    it('is not to be had here', () => {
      expect(found.missing).not.toBe('');
    });
  });
} else {
  let prometheus: LoopbackPrometheus;
  let metrics: Metrics;
  beforeAll(async () => {
    prometheus = await startLoopbackPrometheus(found.program, scraped, ALERTS);
    metrics = prometheusMetrics({
      url: async () => ({ ok: true, value: prometheus.url }),
      auth: { kind: 'none' },
      timeoutMs: 10_000,
      parameters: {},
      secrets: { read: async () => ({ ok: false, error: 'no secret is needed here' }) },
      clock: systemClock,
    });
  });
  afterAll(() => prometheus?.close());

  metricsContract('a real Prometheus', async () => ({
    metrics,
    queries: {
      one: 'label_replace(vector(7), "host", "h1", "", "")',
      two: 'label_replace(vector(1), "host", "h1", "", "") or label_replace(vector(2), "host", "h2", "", "")',
      none: 'vector(1) > 2',
      nan: 'vector(0) / 0',
      infinite: 'vector(1) / 0',
      negativeInfinite: 'vector(-1) / 0',
      broken: 'up{',
    },
    close: async () => {},
  }));

  describe('the built-in gates on a real Prometheus', () => {
    const WINDOW_MS: Readonly<Partial<Record<BuiltinGateName, number>>> = {
      'agent-cpu': 4_000,
      'agent-memory': 4_000,
      'agent-restarts': 14_000,
      'agent-alive': 4_000,
      'host-run-queue': 4_000,
      alerts: 4_000,
    };

    /** Verdicts over the last two seconds, each gate without a `for`. */
    async function judged(names: readonly string[]): Promise<Readonly<Record<string, GateVerdict>>> {
      // Every host's story is told after 8 s; the newest scrape must have arrived.
      const from = prometheus.startedAt + 10_000;
      await systemClock.sleep(from + 3_500 - systemClock.now());
      const gates = Object.values(BUILTIN_GATES)
        .filter(({ source }) => source === undefined)
        .map(({ name, query, unit, direction, limit: own }) => {
          // The host that waits here does so less than a default fleet bears.
          const limit = name === 'host-run-queue' ? 1 : own;
          const windowMs = WINDOW_MS[name as BuiltinGateName] ?? 0;
          return { name, query, unit, direction, limit, windowMs, forMs: 0 };
        });
      const hosts = names.map((name) => ({ id: name, name, address: '127.0.0.1', zone: 'z', role: 'r' }));
      const span = { from, to: from + 2_000, stepMs: 1_000 };
      const settings = { hostLabel: 'fqdn', hostValue: '{name}', matchers: 'job!="other"' };
      const measurements = await measure({ metrics, gates, hosts, settings, process: 'osqueryd', ...span });
      const judgement = judge({ measurements, hosts, ...span });
      return Object.fromEntries(judgement.gates.map((gate) => [gate.gate, gate]));
    }

    /** What really fires. */
    async function prometheusAlerts(): Promise<readonly string[]> {
      const answer = await fetch(`${prometheus.url}/api/v1/alerts`);
      const { data } = (await answer.json()) as { data: { alerts: { labels: { alertname: string } }[] } };
      return data.alerts.map(({ labels }) => labels.alertname).sort();
    }

    const kinds = (gates: Readonly<Record<string, GateVerdict>>) =>
      Object.fromEntries(Object.values(gates).map((gate) => [gate.gate, gate.kind]));
    const all = (kind: string, but: object = {}) => ({
      'agent-cpu': kind,
      'agent-memory': kind,
      'agent-restarts': kind,
      'agent-alive': kind,
      'host-run-queue': kind,
      alerts: kind,
      ...but,
    });

    it.each([
      ['gen00.example.com', 0.06],
      ['gen02.example.com', 0.07],
      ['gen05.example.com', 0.08],
    ])('read every generation of process-exporter: %s', async (name, cores) => {
      const gates = await judged([name]);
      expect(kinds(gates)).toEqual(all('pass'));
      expect(Object.values(gates).map((gate) => gate.samples)).toEqual([2, 2, 2, 2, 2, 2]);
      expect(gates['agent-cpu']?.worst).toBeCloseTo(cores, 2);
      expect(gates['agent-memory']?.worst).toBe(80e6);
      expect(gates['agent-restarts']?.worst).toBe(0);
      expect(gates['agent-alive']?.worst).toBe(2);
      expect(gates['host-run-queue']?.worst).toBeCloseTo(0.02, 2);
      expect(gates['alerts']?.worst).toBe(0);
    });

    it('read all generations in one query, and no host whose name only looks alike', async () => {
      const names = ['gen00.example.com', 'gen02.example.com', 'gen05.example.com'];
      const gates = await judged(names);
      expect(kinds(gates)).toEqual(all('pass'));
      expect(gates['agent-cpu']?.worst).toBeLessThan(0.1);
      expect(gates['agent-cpu']?.samples).toBe(6);
    });

    it('find the host that burns among those that do not', async () => {
      const gates = await judged(['gen05.example.com', 'burns.example.com']);
      expect(kinds(gates)).toEqual(
        all('pass', { 'agent-cpu': 'fail', 'agent-memory': 'fail', alerts: 'fail' }),
      );
      expect(gates['agent-cpu']?.why).toMatch(
        /^burns\.example\.com used 0\.(4\d*|39\d*) cores at .* UTC, limit 0\.1 cores$/,
      );
      expect(gates['agent-memory']?.why).toMatch(/^burns\.example\.com used 300 MB at .* UTC, limit 250 MB$/);
    });

    it('count the alerts about the agent, whatever labels their rules have, and no others', async () => {
      const gates = await judged(['gen05.example.com', 'burns.example.com']);
      expect(gates['alerts']).toMatchObject({ kind: 'fail', worst: 2, samples: 4 });
      expect(gates['alerts']?.offenders.map(({ hostName }) => hostName)).toEqual(['burns.example.com']);
      const firing = await prometheusAlerts();
      expect(firing).toEqual(['DiskFull', 'OSQueryHighMemory', 'TooMuchOsquery']);
    });

    it('find the host whose tasks wait, by the mean of its cores', async () => {
      const gates = await judged(['gen05.example.com', 'waits.example.com']);
      expect(kinds(gates)).toEqual(all('pass', { 'host-run-queue': 'fail' }));
      expect(gates['host-run-queue']?.worst).toBeCloseTo(1.25, 1);
    });

    it('find a dead agent, whose group stays with no process', async () => {
      const gates = await judged(['dead.example.com']);
      expect(kinds(gates)).toEqual(all('pass', { 'agent-alive': 'fail' }));
      expect(gates['agent-alive']?.worst).toBe(0);
    });

    it('count restarts and not the deaths between them', async () => {
      const once = await judged(['once.example.com']);
      expect(once['agent-restarts']).toMatchObject({ kind: 'pass', worst: 1 });
      const crashes = await judged(['crashes.example.com']);
      expect(crashes['agent-restarts']).toMatchObject({ kind: 'fail', worst: 2 });
    });

    it.each(['gone.example.com', 'frozen.example.com', 'never-heard-of.example.com'])(
      'have no number for a host that is no longer measured: %s',
      async (name) => {
        const gates = await judged(['gen05.example.com', name]);
        expect(kinds(gates)).toMatchObject({ 'agent-memory': 'inconclusive', 'agent-alive': 'inconclusive' });
        expect(gates['agent-alive']?.silent).toEqual([name]);
        expect(gates['agent-memory']?.silent).toEqual([name]);
        expect(gates['agent-cpu']?.silent).toEqual([name]);
        expect(gates['host-run-queue']?.silent).toEqual([name]);
        // Nothing fires for it either, and that is no zero.
        expect(gates['alerts']).toMatchObject({ kind: 'inconclusive', silent: [name] });
      },
    );

    it('call a host ambiguous that two jobs scrape, instead of adding both up', async () => {
      const gates = await judged(['gen05.example.com', 'twice.example.com']);
      expect(kinds(gates)).toEqual(all('inconclusive', { alerts: 'pass' }));
      expect(gates['agent-cpu']?.why).toMatch(/^more than one series for twice\.example\.com/);
    });
  });
}
