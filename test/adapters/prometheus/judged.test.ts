/** What a Prometheus on a bad day comes to, from the socket to the verdict: never a pass, and never a fail that rolls a version back. */
import { afterEach, describe, expect, it } from 'vitest';
import { prometheusMetrics } from '../../../src/adapters/prometheus/prometheus-metrics.ts';
import type { Judgement } from '../../../src/domain/gate.ts';
import { judge } from '../../../src/domain/judge.ts';
import type { GatePolicy } from '../../../src/domain/policy.ts';
import { measureGates } from '../../../src/engine/measure-gates.ts';
import type { Metrics } from '../../../src/ports/metrics.ts';
import { gate, makeWorld } from '../../engine/world.ts';
import { manualClock } from '../../fakes/manual-clock.ts';
import { memoryMetrics } from '../../fakes/memory-metrics.ts';
import { type FakePrometheus, type PrometheusMood, startPrometheus } from '../../fakes/prometheus.ts';

const T0 = 1_800_000_000_000;
const MINUTE = 60_000;
const FROM = T0 + 10 * MINUTE;

const compare = {
  with: 'control',
  effect: 0.02,
  relativeEffect: 0,
  alpha: 0.1,
  overMs: 5 * MINUTE,
  beforeMs: 10 * MINUTE,
  tooFew: 'abstain',
} as const;
/** Bad when it is silent or high, compared and not: whatever is made of a strange answer must show in one of them. */
const GATES: readonly GatePolicy[] = [
  gate('cpu', { windowMs: MINUTE, forMs: 2 * MINUTE }),
  gate('alive', { windowMs: MINUTE, forMs: 0, direction: 'below', limit: 1 }),
  gate('cpu_compared', { windowMs: MINUTE, forMs: 2 * MINUTE, compare }),
];
const CHANGED = ['c1', 'c2'];
const CONTROL = Array.from({ length: 12 }, (_, index) => `k${index}`);

const hostOf = (name: string) => ({
  id: name,
  name,
  address: '10.0.0.1',
  zone: 'z',
  role: 'web',
  stratum: 'web',
});

const open: FakePrometheus[] = [];
afterEach(async () => {
  for (const fake of open.splice(0)) await fake.close();
});

type Read = (signal: string, host: string, at: number) => number | undefined;
const healthy: Read = (signal, host) => (signal === 'alive' ? 1 : 0.03 + Number(host.slice(1)) / 10_000);

async function setup(read: Read = healthy, backend: Metrics = memoryMetrics({ label: 'fqdn', read })) {
  const fake = await startPrometheus({ metrics: backend });
  open.push(fake);
  const metrics = prometheusMetrics({
    url: async () => ({ ok: true, value: fake.url }),
    auth: { kind: 'none' },
    timeoutMs: 150,
    parameters: { partial_response: 'false', dedup: 'true' },
    secrets: { read: async () => ({ ok: false, error: 'none' }) },
    clock: manualClock({ autoAdvance: true }),
  });
  const context = { ...makeWorld().process().context, metrics };
  /** One evaluation of a minute, the `nth`. */
  const evaluate = async (nth = 0, last: Judgement | null = null): Promise<Judgement> => {
    const span = { from: FROM + nth * MINUTE, to: FROM + (nth + 1) * MINUTE, stepMs: MINUTE };
    const hosts = CHANGED.map((name) => ({ ...hostOf(name), changedAt: T0 }));
    const controls = CONTROL.map(hostOf);
    const measurements = await measureGates(context, {
      gates: GATES,
      hosts,
      controls,
      ...span,
      since: T0,
      baseline: { of: 'r', until: T0 },
      process: 'osqueryd',
      version: '5.10.2',
    });
    return judge({ measurements, hosts, controls, last, ...span });
  };
  return { fake, evaluate };
}

const success = (data: unknown, more = {}): string => JSON.stringify({ status: 'success', data, ...more });
const matrix = (result: readonly unknown[]): unknown => ({ resultType: 'matrix', result });
const says = (body: string, status = 200): PrometheusMood => ({ kind: 'says', status, body });
const seriesOf = (values: unknown) => [{ metric: { fqdn: 'c1' }, values }];

describe('a Prometheus that is well', () => {
  it('lets healthy hosts pass, so that what follows is not for nothing', async () => {
    const { evaluate } = await setup();
    expect(await evaluate()).toMatchObject({ kind: 'pass', observedMs: MINUTE });
  });

  it('and has only hints about the query (`infos` of Prometheus 3) lets them pass too', async () => {
    const backend = memoryMetrics({ label: 'fqdn', read: healthy });
    const { fake, evaluate } = await setup(healthy, backend);
    const answer = await fetch(`${fake.url}/api/v1/query_range`, {
      method: 'POST',
      body: new URLSearchParams({
        query: `alive{fqdn=~"${CHANGED.join('|')}"}`,
        start: String(FROM / 1000),
        end: String((FROM + MINUTE) / 1000),
        step: '60',
      }),
    });
    const body = (await answer.json()) as object;
    fake.moods = [says(JSON.stringify({ ...body, infos: ['PromQL info: metric might not be a counter'] }))];
    expect((await evaluate()).gates.find((one) => one.gate === 'alive')?.kind).toBe('pass');
    fake.moods = [says(JSON.stringify({ ...body, warnings: ['a store is gone'] }))];
    expect((await evaluate()).gates.find((one) => one.gate === 'alive')?.kind).toBe('inconclusive');
  });
});

describe('a Prometheus on a bad day', () => {
  it.each<[string, PrometheusMood, 'error' | 'inconclusive']>([
    ['is too slow', { kind: 'silent' }, 'error'],
    ['drops the connection', { kind: 'resets' }, 'error'],
    ['breaks off halfway', { kind: 'truncates', length: 'chunked' }, 'error'],
    [
      'breaks off halfway and closes as if that were all',
      { kind: 'truncates', length: 'until-close' },
      'error',
    ],
    ['is overloaded', says('Service Unavailable', 503), 'error'],
    ['is behind a page to log in', says('<!doctype html><title>Sign in</title>'), 'error'],
    ['says nothing at all', says(''), 'error'],
    ['has forgotten everything', says(success(matrix([]))), 'inconclusive'],
    ['answers an instant vector', says(success({ resultType: 'vector', result: [] })), 'error'],
    ['answers a scalar', says(success({ resultType: 'scalar', result: [1, '0'] })), 'error'],
    ['answers null', says(success(null)), 'error'],
    ['answers numbers that are no text', says(success(matrix(seriesOf([[FROM / 1000, 0.01]])))), 'error'],
    ['answers an empty number', says(success(matrix(seriesOf([[FROM / 1000, '']])))), 'error'],
    ['answers histograms', says(success(matrix([{ metric: { fqdn: 'c1' }, histograms: [] }]))), 'error'],
    [
      'knows other hosts only',
      says(success(matrix([{ metric: { fqdn: 'x' }, values: [] }]))),
      'inconclusive',
    ],
    // A time before that is not whole is no time before.
    ['lacks a store', says(success(matrix([]), { warnings: ['partial response'] })), 'error'],
    ['says error with HTTP 200', says('{"status":"error","errorType":"timeout","error":"slow"}'), 'error'],
  ])('%s: no pass, no fail', async (_, mood, kind) => {
    const { fake, evaluate } = await setup();
    fake.moods = [mood];
    const first = await evaluate();
    expect(first).toMatchObject({ kind, observedMs: 0 });
    expect(first.gates.map((one) => one.kind)).not.toContain('pass');
    const second = await evaluate(kind === 'error' ? 0 : 1, first);
    expect(second.kind).toBe(kind);
    // Restarted between two evaluations.
    fake.moods = [{ kind: 'well' }];
    expect(await evaluate(2, second)).toMatchObject({ kind: 'pass' });
  });

  it('is not there: an error that says so', async () => {
    const { fake, evaluate } = await setup();
    await fake.close();
    const judged = await evaluate();
    expect(judged).toMatchObject({ kind: 'error', observedMs: 0 });
    expect(judged.gates[0]?.why).toContain('ECONNREFUSED');
  });

  it('fails for what was before alone: nothing is compared meanwhile, so nothing passes and nobody is blamed', async () => {
    const backend = memoryMetrics({ label: 'fqdn', read: healthy });
    const { evaluate } = await setup(healthy, {
      range: async (query) =>
        query.to <= T0
          ? { ok: false, error: { kind: 'unavailable', message: 'too old' } }
          : backend.range(query),
    });
    const judged = await evaluate();
    expect(judged).toMatchObject({ kind: 'error', observedMs: 0 });
    expect(judged.gates[2]).toMatchObject({
      kind: 'error',
      why: expect.stringContaining('what was usual before the change could not be asked'),
    });
    expect(judged.gates.map((one) => one.kind)).not.toContain('fail');
  });
});

describe('series on a bad day', () => {
  const cases: readonly [string, Read][] = [
    [
      'a changed host has none',
      (signal, host, at) => (host === 'c1' ? undefined : healthy(signal, host, at)),
    ],
    [
      'one ended before the newest step: it is stale, whatever a look-back would repeat',
      (signal, host, at) => (host === 'c1' && at > FROM ? undefined : healthy(signal, host, at)),
    ],
    ['one is NaN', (signal, host, at) => (host === 'c1' ? Number.NaN : healthy(signal, host, at))],
    [
      'one is infinite',
      (signal, host, at) => (host === 'c1' ? Number.NEGATIVE_INFINITY : healthy(signal, host, at)),
    ],
    ['all are NaN', () => Number.NaN],
  ];

  it.each(cases)('%s: no pass, no fail', async (_, read) => {
    const { evaluate } = await setup(read);
    expect(await evaluate()).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
  });

  it('two of them name one host: no pass, no fail', async () => {
    const backend = memoryMetrics({ label: 'fqdn', read: healthy });
    backend.twice.add('c1');
    const { evaluate } = await setup(healthy, backend);
    const judged = await evaluate();
    expect(judged).toMatchObject({ kind: 'inconclusive', observedMs: 0 });
    expect(judged.gates[0]?.why).toContain('more than one series for c1');
  });

  it('control hosts that are silent, ambiguous or gone hinder nobody', async () => {
    const backend = memoryMetrics({
      label: 'fqdn',
      read: (signal, host, at) => (host === 'k3' || host === 'k5' ? undefined : healthy(signal, host, at)),
    });
    backend.twice.add('k7');
    const { evaluate } = await setup(healthy, backend);
    expect(await evaluate()).toMatchObject({ kind: 'pass' });
  });

  it('an exporter that restarts leaves a gap, which costs time and begins an excess anew', async () => {
    const gapAt = FROM + MINUTE;
    // Over the limit from before the gap on; `for` is two minutes.
    const { evaluate } = await setup((signal, host, at) => {
      if (signal !== 'cpu' || !host.startsWith('c') || at <= T0) return healthy(signal, host, at);
      return at === gapAt ? undefined : 0.2;
    });
    const kinds = [];
    let last: Judgement | null = null;
    for (let nth = 1; nth <= 3; nth += 1) {
      last = await evaluate(nth, last);
      kinds.push(last.gates[0]?.kind);
    }
    expect(kinds).toEqual(['inconclusive', 'inconclusive', 'fail']);
  });
});
