import { describe, expect, it } from 'vitest';
import type { Judgement } from '../../src/domain/gate.ts';
import type { HostStep } from '../../src/domain/host-order.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';
import type { EngineContext } from '../../src/engine/context.ts';
import { measureByProbe, type ProbeRequest, spread } from '../../src/engine/probe-hosts.ts';
import type { RemoteAnswer, RemoteHost, RemoteJob } from '../../src/ports/remote.ts';

const MINUTE = 60_000;
const AT = 100 * MINUTE;

const gate = (reading: string, more: Partial<GatePolicy> = {}): GatePolicy => ({
  name: reading,
  query: '',
  source: { kind: 'probe', reading },
  unit: '',
  direction: 'above',
  limit: 0.25,
  windowMs: 5 * MINUTE,
  forMs: 0,
  ...more,
});
const query: GatePolicy = { ...gate('cpu'), name: 'asked of Prometheus', query: 'up' };
const { source: _, ...fromPrometheus } = query;

const host = (name: string, stratum = 'web') => ({ id: name, name, address: '192.0.2.1', stratum });
const hosts = ['a', 'b', 'c', 'd'].map((name) => host(name));

const reading = (upMs: number, share: number): HostStep => ({
  step: 'reading',
  ok: true,
  upMs,
  activeState: 'active',
  mainPid: 100,
  restarts: 0,
  beganUs: 1,
  processes: 2,
  rssBytes: 1e6,
  list: [],
  cpuUs: (upMs - 500_000) * 1_000 * share,
  periods: 0,
  throttled: 0,
  throttledUs: 0,
  quota: 'infinity',
  capped: 'no',
  capUs: null,
  capPeriodUs: null,
  waitMs: 0,
  waitFrom: 'none',
  cores: '0-1',
});

const answered = (share: number): RemoteAnswer => ({
  kind: 'answered',
  exitCode: 0,
  steps: [reading(540_000, share), reading(600_000, share)],
  stderr: '',
});

function world(answers: (name: string) => RemoteAnswer | Promise<RemoteAnswer>, probe: object = {}) {
  const asked: { host: RemoteHost; job: RemoteJob }[] = [];
  const context = {
    environment: {
      policy: {
        agent: { package: 'osquery', service: 'osqueryd', executable: '/x/osqueryd', process: 'osqueryd' },
      },
      inventory: { kind: 'static', hosts: [] },
      probe: { hosts: 50, sampleMs: 5_000, everyMs: 5 * MINUTE, ...probe },
    },
    remote: {
      run: async (to: RemoteHost, job: RemoteJob) => {
        asked.push({ host: to, job });
        return answers(to.name);
      },
      close: async () => {},
    },
  } as unknown as EngineContext;
  const names = (): string[] => asked.splice(0).map((one) => one.host.name);
  const measure = (more: Partial<ProbeRequest> = {}) =>
    measureByProbe(context, { gates: [gate('cpu')], hosts, at: AT, stepMs: MINUTE, ...more });
  return { context, asked, names, measure };
}

describe('a probe that fails', () => {
  it('at every host is the backend’s failure, with the first words', async () => {
    const { measure } = world(() => ({
      kind: 'no-answer',
      why: 'unreachable',
      message: 'connection\nrefused',
    }));
    expect((await measure()).get('cpu')).toEqual({
      kind: 'backend-error',
      message:
        'no host answered the probe: a: unreachable: connection / refused; b: unreachable: connection / refused; c: unreachable: connection / refused; and 1 more',
    });
  });

  it('at one host leaves that one without a number', async () => {
    const { measure } = world((name) =>
      name === 'b'
        ? { kind: 'answered', exitCode: 137, steps: [{ step: 'begin', ok: true }], stderr: 'Killed' }
        : answered(0.1),
    );
    const outcome = (await measure()).get('cpu');
    if (outcome?.kind !== 'measured') throw new Error('not measured');
    expect([...outcome.byHost.keys()]).toEqual(['a', 'c', 'd']);
    expect(outcome.asked).toEqual(['a', 'b', 'c', 'd']);
    expect(outcome.notes?.get('b')).toBe('the probe ended with 137');
    expect(outcome.byHost.get('a')).toEqual([{ at: AT, value: expect.closeTo(0.1, 6) }]);
  });

  it('on another machine than the one meant is no answer of that host', async () => {
    const { measure } = world(() => ({
      kind: 'answered',
      exitCode: 68,
      steps: [
        { step: 'begin', ok: true },
        { step: 'identity', ok: false, message: 'this host is instance 9' },
      ],
      stderr: '',
    }));
    expect((await measure()).get('cpu')).toMatchObject({
      kind: 'backend-error',
      message: expect.stringContaining('instance 9'),
    });
  });

  it('is named where it has no such reading', async () => {
    const { measure } = world(() => answered(0));
    expect((await measure({ gates: [gate('colour')] })).get('colour')).toMatchObject({
      kind: 'backend-error',
      message: expect.stringMatching(/^the probe has no reading colour; it has cpu, memory/),
    });
  });
});

describe('who is asked', () => {
  it('nobody, without a gate of a probe', async () => {
    const { measure, names } = world(() => answered(0));
    expect((await measure({ gates: [fromPrometheus] })).size).toBe(0);
    expect(names()).toEqual([]);
  });

  it('at most as many as configured, the first of every stratum first, and nobody else is missing', async () => {
    const { measure, names } = world(() => answered(0), { hosts: 3 });
    const many = [host('w1'), host('w2'), host('w3'), host('d1', 'db'), host('d2', 'db'), host('g1', 'git')];
    const outcome = (await measure({ hosts: many })).get('cpu');
    expect(names()).toEqual(['w1', 'd1', 'g1']);
    expect(outcome).toMatchObject({ asked: ['w1', 'd1', 'g1'] });
    expect(spread(many, 5).map(({ name }) => name)).toEqual(['w1', 'd1', 'g1', 'w2', 'd2']);
    expect(spread([], 5)).toEqual([]);
  });

  it('control hosts only where a gate compares with them', async () => {
    const { measure, names } = world(() => answered(0));
    const controls = [host('z')];
    await measure({ controls });
    expect(names()).toEqual(['a', 'b', 'c', 'd']);
    const compare = {
      with: 'control',
      effect: 1,
      relativeEffect: 0,
      alpha: 0.01,
      overMs: 1,
      beforeMs: 1,
      tooFew: 'hold',
    } as const;
    await measure({ controls, gates: [gate('cpu', { compare })] });
    expect(names()).toEqual(['a', 'b', 'c', 'd', 'z']);
  });

  it('with an order that changes nothing and has a limit', async () => {
    const { measure, asked } = world(() => answered(0));
    await measure();
    expect(asked[0]?.job).toEqual({
      order: {
        program: 'probe',
        agent: { package: 'osquery', service: 'osqueryd', executable: '/x/osqueryd' },
        sampleMs: 5_000,
        resultsLog: '/var/log/osquery/osqueryd.results.log',
      },
      packages: [],
      timeoutMs: 35_000,
    });
  });
});

describe('beside Prometheus', () => {
  const gates = [fromPrometheus, gate('cpu')];

  it('is asked every few minutes, and has no vote in between', async () => {
    const { measure, names } = world(() => answered(0.1));
    expect((await measure({ gates })).size).toBe(1);
    for (let minute = 1; minute < 5; minute += 1)
      expect((await measure({ gates, at: AT + minute * MINUTE })).size).toBe(0);
    expect((await measure({ gates, at: AT + 5 * MINUTE })).size).toBe(1);
    expect(names().length).toBe(8);
  });

  it('is asked again at once while a host is beyond the limit, or has no number', async () => {
    const beyond = world(() => answered(0.3));
    await beyond.measure({ gates });
    expect((await beyond.measure({ gates, at: AT + MINUTE })).size).toBe(1);
    const silent = world((name) =>
      name === 'a' ? { kind: 'no-answer', why: 'timed-out', message: '' } : answered(0),
    );
    await silent.measure({ gates });
    expect((await silent.measure({ gates, at: AT + MINUTE })).size).toBe(1);
  });

  it('is not asked again for a number that it may do without', async () => {
    const { measure } = world((name) =>
      name === 'a' ? { kind: 'no-answer', why: 'timed-out', message: '' } : answered(0),
    );
    const lenient = [fromPrometheus, gate('cpu', { noData: 'abstain' })];
    await measure({ gates: lenient });
    expect((await measure({ gates: lenient, at: AT + MINUTE })).size).toBe(0);
  });

  it('is asked again after a verdict that was no pass, for a host that is new, and when somebody wants to see', async () => {
    const { measure } = world(() => answered(0.1));
    await measure({ gates });
    const last = { gates: [{ gate: 'cpu', kind: 'inconclusive' }] } as unknown as Judgement;
    const at = AT + MINUTE;
    expect((await measure({ gates, at })).size).toBe(0);
    expect((await measure({ gates, at, last })).size).toBe(1);
    expect((await measure({ gates, at, hosts: [...hosts, host('new')] })).size).toBe(1);
    expect((await measure({ gates, at, now: true })).size).toBe(1);
  });

  it('is asked anew by a process that knows of no probe', async () => {
    const first = world(() => answered(0.1));
    await first.measure({ gates });
    expect((await world(() => answered(0.1)).measure({ gates, at: AT + MINUTE })).size).toBe(1);
  });
});

it('without Prometheus it is asked at every evaluation', async () => {
  const { measure } = world(() => answered(0.1));
  await measure();
  expect((await measure({ at: AT + MINUTE })).size).toBe(1);
});
