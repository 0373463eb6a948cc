/** Where gates' numbers come from: one question for changed and control hosts, what was usual before, and other witnesses. */
import { describe, expect, it } from 'vitest';
import type { GateMeasurement } from '../../src/domain/gate.ts';
import { judge } from '../../src/domain/judge.ts';
import type { GateComparison, GatePolicy } from '../../src/domain/policy.ts';
import type { WitnessSettings } from '../../src/domain/witness.ts';
import type { EngineContext } from '../../src/engine/context.ts';
import { type GateHost, type GatesQuestion, measureGates } from '../../src/engine/measure-gates.ts';
import type { Witness, WitnessQuestion } from '../../src/ports/witness.ts';
import { memoryMetrics } from '../fakes/memory-metrics.ts';
import { gate, makeWorld } from './world.ts';

const T0 = 1_800_000_000_000;
const MINUTE = 60_000;

const compare: GateComparison = {
  with: 'control',
  effect: 0.02,
  relativeEffect: 0,
  alpha: 0.05,
  overMs: 5 * MINUTE,
  beforeMs: 10 * MINUTE,
  tooFew: 'abstain',
};
const comparing = (more: Partial<GateComparison> = {}): GatePolicy =>
  gate('cpu', { windowMs: MINUTE, forMs: 0, compare: { ...compare, ...more } });

const host = (name: string, more: Partial<GateHost> = {}): GateHost => ({
  id: `id-${name}`,
  name,
  address: '10.0.0.1',
  zone: 'z',
  role: 'web',
  stratum: 'web',
  ...more,
});
const some = (prefix: string, count: number, more: Partial<GateHost> = {}): GateHost[] =>
  Array.from({ length: count }, (_, index) => host(`${prefix}${index}`, more));

function setup(read: (signal: string, name: string, at: number) => number | undefined = () => 0.03) {
  const metrics = memoryMetrics({ label: 'fqdn', read });
  const context: EngineContext = { ...makeWorld().process().context, metrics };
  const ask = (question: Partial<GatesQuestion>, by = context) =>
    measureGates(by, {
      gates: [comparing()],
      hosts: some('c', 2, { changedAt: T0 }),
      controls: some('k', 20),
      from: T0 + 2 * MINUTE,
      to: T0 + 3 * MINUTE,
      stepMs: MINUTE,
      since: T0,
      baseline: { of: 'gstg-1', until: T0 },
      process: 'osqueryd',
      version: '5.10.2',
      ...question,
    });
  return { metrics, context, ask };
}

function numbers(measurement: GateMeasurement | undefined) {
  const outcome = measurement?.outcome;
  if (outcome?.kind !== 'measured') throw new Error(`not measured: ${JSON.stringify(outcome)}`);
  return outcome;
}

describe('a gate that compares with control', () => {
  it('asks for changed and control hosts in one question, and for the time before in one more', async () => {
    const { metrics, ask } = setup();
    const [cpu] = await ask({});
    expect(numbers(cpu).byHost.size).toBe(22);
    expect(numbers(cpu).before?.size).toBe(22);
    expect(metrics.asked).toHaveLength(2);
    const [now, before] = metrics.asked;
    expect(now?.query).toContain('c0|c1|k0|k1');
    // Nothing before the change and the look-back, on either side.
    expect([now?.from, now?.to]).toEqual([T0 + MINUTE, T0 + 3 * MINUTE]);
    expect([before?.from, before?.to]).toEqual([T0 - 9 * MINUTE, T0]);
  });

  it('asks for the step before the span as soon as the watch has one', async () => {
    const { metrics, ask } = setup();
    const gates = [{ ...comparing(), windowMs: 5 * MINUTE }];
    await ask({ gates, from: T0, to: T0 + MINUTE });
    await ask({ gates, from: T0 + MINUTE, to: T0 + 2 * MINUTE });
    const spans = metrics.asked.filter(({ to }) => to > T0).map(({ from, to }) => [from - T0, to - T0]);
    expect(spans).toEqual([
      [MINUTE, MINUTE],
      [MINUTE, 2 * MINUTE],
    ]);
  });

  it('asks back over the whole time compared once there is so much of it', async () => {
    const { metrics, ask } = setup();
    await ask({ from: T0 + 30 * MINUTE, to: T0 + 31 * MINUTE });
    expect(metrics.asked[0]).toMatchObject({ from: T0 + 27 * MINUTE, to: T0 + 31 * MINUTE });
  });

  it('asks for nobody else than the changed hosts where no control is left', async () => {
    const { metrics, ask } = setup();
    await ask({ controls: [] });
    expect(metrics.asked).toHaveLength(1);
    expect(metrics.asked[0]?.query).not.toContain('k0');
  });

  it('leaves gates that compare nothing to the changed hosts alone', async () => {
    const { metrics, ask } = setup();
    await ask({ gates: [gate('alive', {})] });
    expect(metrics.asked.map(({ query }) => query)).toEqual(['alive{fqdn=~"c0|c1"}']);
  });

  it('cuts a long list in pieces and asks for the time before in as many', async () => {
    const { metrics, ask } = setup();
    const [cpu] = await ask({
      hosts: some(`${'x'.repeat(60)}-`, 1_000, { changedAt: T0 }),
      controls: some('k', 600),
    });
    expect(numbers(cpu).byHost.size).toBe(1_600);
    expect(numbers(cpu).before?.size).toBe(1_600);
    expect(metrics.asked.length).toBeLessThan(20);
  });
});

describe('what was usual before', () => {
  it('is asked once a process, and again only for hosts that were not asked about', async () => {
    const { metrics, ask, context } = setup();
    await ask({});
    await ask({ from: T0 + 3 * MINUTE, to: T0 + 4 * MINUTE });
    expect(metrics.asked).toHaveLength(3);
    const [cpu] = await ask({ hosts: some('c', 3, { changedAt: T0 }) });
    expect(metrics.asked).toHaveLength(5);
    expect(metrics.asked.at(-1)?.query).toBe('cpu{fqdn=~"c2"}');
    expect(numbers(cpu).before?.size).toBe(23);
    // A program that is started anew, and another rollout, ask anew.
    await ask({}, { ...context });
    expect(metrics.asked).toHaveLength(7);
    await ask({ baseline: { of: 'gstg-2', until: T0 } });
    expect(metrics.asked).toHaveLength(9);
  });

  it('is the median: one burst, NaN and infinity before the change do not count', async () => {
    const values = [0.02, Number.NaN, 0.02, 5, 0.04, Number.POSITIVE_INFINITY, 0.02, 0.03, 0.02, 0.03];
    const { ask } = setup((_, __, at) => values[Math.abs(Math.round((at - T0) / MINUTE)) % 10]);
    const [cpu] = await ask({});
    expect(numbers(cpu).before?.get('id-c0')).toBeCloseTo(0.025, 3);
  });

  it('is nothing for a host without numbers or with two series, and that is not asked again', async () => {
    const { metrics, ask } = setup((_, name, at) => (name === 'c0' && at <= T0 ? undefined : 0.03));
    metrics.twice.add('k3');
    const [cpu] = await ask({});
    expect(numbers(cpu).before?.has('id-c0')).toBe(false);
    expect(numbers(cpu).before?.has('id-k3')).toBe(false);
    await ask({});
    expect(metrics.asked).toHaveLength(3);
  });

  it.each<[string, (metrics: ReturnType<typeof memoryMetrics>) => Partial<EngineContext>]>([
    ['fails', (metrics) => failingBefore(metrics)],
    ['is not whole', (metrics) => notWholeBefore(metrics)],
  ])(
    'that %s is asked again; meanwhile hosts that have always differed are not compared by their levels',
    async (_, broken) => {
      // The canaries are the busy ones, and were so before.
      const { metrics, context, ask } = setup((__, name) => (name.startsWith('c') ? 0.09 : 0.03));
      const by = { ...context, ...broken(metrics) };
      const measurements = await ask({}, by);
      const hosts = some('c', 2, { changedAt: T0 });
      const span = { from: T0 + 2 * MINUTE, to: T0 + 3 * MINUTE, stepMs: MINUTE };
      const judged = judge({ measurements, hosts, controls: some('k', 20), ...span });
      expect(judged).toMatchObject({ kind: 'error', observedMs: 0 });
      expect(judged.gates[0]?.why).toContain('what was usual before the change could not be asked');
      const mended = Object.assign(by, { metrics });
      expect(numbers((await ask({}, mended))[0]).before?.size).toBe(22);
    },
  );

  it('that fails is an error, and never a fail, where nothing else is there to compare with', async () => {
    const { metrics, context, ask } = setup((_, __, at) => (at > T0 ? 9 : 0.03));
    const gates = [comparing({ with: 'before' })];
    const measurements = await ask({ gates, controls: [] }, { ...context, ...failingBefore(metrics) });
    expect(measurements[0]?.outcome).toEqual({
      kind: 'backend-error',
      message: 'what was usual before the change could not be asked: HTTP 503',
    });
    const hosts = some('c', 2, { changedAt: T0 });
    const judged = judge({ measurements, hosts, from: T0 + 2 * MINUTE, to: T0 + 3 * MINUTE, stepMs: MINUTE });
    expect(judged.kind).toBe('error');
  });

  it('is asked of the time before an earlier rollout that was taken back, and a gate without its hour is as it was', async () => {
    const { metrics, ask } = setup();
    const [from, to] = [T0 - 12 * MINUTE, T0 - 9 * MINUTE];
    const unusual = [{ from, to }];
    await ask({ baseline: { of: 'gstg-2', until: T0, unusual } });
    expect([metrics.asked[1]?.from, metrics.asked[1]?.to]).toEqual([from - 9 * MINUTE, from]);
    const short = [comparing({ beforeMs: 5 * MINUTE })];
    await ask({ gates: short, baseline: { of: 'gstg-2', until: T0, unusual } });
    expect(metrics.asked[3]?.to).toBe(T0);
  });

  it('is an error that says what to do where such rollouts leave no time', async () => {
    const { metrics, ask } = setup();
    const unusual = [{ from: T0 - 10 * 24 * 60 * MINUTE, to: T0 - MINUTE }];
    const [cpu] = await ask({ baseline: { of: 'gstg-2', until: T0, unusual } });
    expect(cpu?.outcome).toEqual({
      kind: 'backend-error',
      message:
        'what is usual on these hosts is not known: rollouts that were taken back have been at them since 2027-01-05T08:00:00Z; ' +
        'take this one back (rollout rollback), and begin again 3m30s behind that or later',
    });
    expect(metrics.asked).toHaveLength(1);
  });

  it('is not asked before anything was changed', async () => {
    const { metrics, context } = setup();
    await measureGates(context, {
      gates: [comparing()],
      hosts: some('c', 2),
      controls: some('k', 2),
      from: T0,
      to: T0 + MINUTE,
      stepMs: MINUTE,
      process: 'osqueryd',
      version: '',
    });
    expect(metrics.asked).toHaveLength(1);
  });
});

function failingBefore(metrics: ReturnType<typeof memoryMetrics>): Partial<EngineContext> {
  return {
    metrics: {
      range: async (query) =>
        query.to <= T0
          ? { ok: false, error: { kind: 'unavailable', message: 'HTTP 503' } }
          : metrics.range(query),
    },
  };
}

function notWholeBefore(metrics: ReturnType<typeof memoryMetrics>): Partial<EngineContext> {
  return {
    metrics: {
      range: async (query) => {
        const answer = await metrics.range(query);
        if (!answer.ok || query.to > T0) return answer;
        return { ok: true, value: { ...answer.value, warnings: ['a store is gone'] } };
      },
    },
  };
}

describe('a gate of a witness', () => {
  const heard: GatePolicy = gate('heard', {
    query: '',
    unit: 'lines',
    direction: 'below',
    limit: 1,
    forMs: 2 * MINUTE,
    source: { kind: 'witness', witness: 'logs' },
  });
  const witnessed = (answer: Awaited<ReturnType<Witness['ask']>>) => {
    const asked: WitnessQuestion[] = [];
    const witnesses = new Map<string, Witness>([
      [
        'logs',
        {
          shown: 'count of lines',
          ask: async (question) => {
            asked.push(question);
            return answer;
          },
        },
      ],
    ]);
    return { asked, witnesses };
  };

  it('is asked about the changed hosts alone, since when they are changed, over its look-back too', async () => {
    const { context, ask, metrics } = setup();
    const byHost = new Map([['id-c0', [{ at: T0 + 3 * MINUTE, value: 4 }]]]);
    const { asked, witnesses } = witnessed({
      ok: true,
      value: { kind: 'by-host', byHost, ambiguous: [], warnings: [] },
    });
    const [one] = await ask({ gates: [heard] }, { ...context, witnesses });
    expect(one).toMatchObject({ query: 'count of lines', outcome: { kind: 'measured', byHost } });
    expect(asked).toMatchObject([
      { environment: 'gstg', version: '5.10.2', from: T0, to: T0 + 3 * MINUTE, stepMs: MINUTE },
    ]);
    expect(asked[0]?.hosts.map(({ name, changedAt }) => [name, changedAt])).toEqual([
      ['c0', T0],
      ['c1', T0],
    ]);
    expect(metrics.asked).toEqual([]);
  });

  it('is asked for the step before the span though one number is enough: a lost one is told from silence by it', async () => {
    const { context, ask } = setup();
    const heardBefore = [{ at: T0 + 2 * MINUTE, value: 4 }];
    const hosts = some('c', 200, { changedAt: T0 });
    const now = [...heardBefore, { at: T0 + 3 * MINUTE, value: 4 }];
    const lost = new Set(['id-c7', 'id-c9']);
    const byHost = new Map(hosts.map(({ id }) => [id, lost.has(id) ? heardBefore : now]));
    const { asked, witnesses } = witnessed({
      ok: true,
      value: { kind: 'by-host', byHost, ambiguous: [], warnings: [] },
    });
    const gates = [{ ...heard, forMs: 0 }];
    const measurements = await ask({ gates, hosts }, { ...context, witnesses });
    expect(asked).toMatchObject([{ from: T0 + MINUTE, to: T0 + 3 * MINUTE }]);
    const span = { from: T0 + 2 * MINUTE, to: T0 + 3 * MINUTE, stepMs: MINUTE };
    expect(judge({ measurements, hosts, ...span })).toMatchObject({ kind: 'pass', observedMs: MINUTE });
  });

  it.each(['command', 'webhook'] as const)(
    'that judges itself is asked about the span alone, which lies behind the change: a %s',
    async (kind) => {
      const { context, ask } = setup();
      const { asked, witnesses } = witnessed({
        ok: true,
        value: { kind: 'told', verdict: 'pass', why: '' },
      });
      const settings: WitnessSettings =
        kind === 'command'
          ? { kind, run: ['./look'], folder: '/', env: [], timeoutMs: 1_000 }
          : { kind, url: 'http://127.0.0.1:1/', auth: { kind: 'none' }, timeoutMs: 1_000 };
      const environment = { ...context.environment, witnesses: { logs: settings } };
      await ask({ gates: [heard] }, { ...context, environment, witnesses });
      expect(asked).toMatchObject([{ from: T0 + 2 * MINUTE, to: T0 + 3 * MINUTE }]);
    },
  );

  it('that is compared is asked over all of the time compared, or its share of numbers could never be reached', async () => {
    const { context, ask } = setup();
    const byHost = new Map([['id-c0', []]]);
    const value = { kind: 'by-host', byHost, ambiguous: [], warnings: [] } as const;
    const { asked, witnesses } = witnessed({ ok: true, value });
    await ask({ gates: [{ ...heard, compare }] }, { ...context, witnesses });
    // Five minutes up to the end of the span, which has one.
    expect(asked).toMatchObject([{ from: T0 - 2 * MINUTE, to: T0 + 3 * MINUTE }]);
    expect(asked[0]?.hosts).toHaveLength(22);
  });

  it('takes one word over all of them as it is said', async () => {
    const { context, ask } = setup();
    const { witnesses } = witnessed({ ok: true, value: { kind: 'told', verdict: 'fail', why: 'exit 1' } });
    const [one] = await ask({ gates: [heard] }, { ...context, witnesses });
    expect(one?.outcome).toEqual({ kind: 'told', verdict: 'fail', why: 'exit 1', at: T0 + 3 * MINUTE });
  });

  it('that fails, or is not there, is an error and no fail', async () => {
    const { context, ask } = setup();
    const { witnesses } = witnessed({
      ok: false,
      error: { kind: 'unavailable', message: 'no answer in 10s' },
    });
    const [silent] = await ask({ gates: [heard] }, { ...context, witnesses });
    expect(silent?.outcome).toEqual({ kind: 'backend-error', message: 'no answer in 10s' });
    const [missing] = await ask({ gates: [heard] });
    expect(missing?.outcome).toMatchObject({
      kind: 'backend-error',
      message: expect.stringContaining('no witness is called logs'),
    });
  });

  it('stands among the others in their order', async () => {
    const { context, ask } = setup();
    const { witnesses } = witnessed({ ok: true, value: { kind: 'told', verdict: 'pass', why: '' } });
    const gates = [gate('x', {}), heard, gate('y', {})];
    const measured = await ask({ gates }, { ...context, witnesses });
    expect(measured.map((one) => one.gate.name)).toEqual(['x', 'heard', 'y']);
  });
});
