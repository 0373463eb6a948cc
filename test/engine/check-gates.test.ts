/** Gates on the fleet as it is: what an operator sees who tunes them, and that nothing is changed by looking. */
import { describe, expect, it } from 'vitest';
import { gatesLines } from '../../src/cli/render/gates-view.ts';
import { createPaint } from '../../src/cli/render/paint.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';
import { checkGates, type GatesChecked } from '../../src/engine/check-gates.ts';
import type { EngineContext } from '../../src/engine/context.ts';
import { memoryMetrics } from '../fakes/memory-metrics.ts';
import { begin, gate, makeWorld, someHosts, somePolicy } from './world.ts';

const compare = {
  with: 'control',
  effect: 0.02,
  relativeEffect: 0,
  alpha: 0.05,
  overMs: 20_000,
  beforeMs: 60_000,
  tooFew: 'abstain',
} as const;

type Read = (signal: string, host: string, at: number) => number | undefined;
const numbered: Read = (_, host) => Number(host.slice(1)) / 1_000;

function setup(gates: readonly GatePolicy[], read: Read = numbered, hosts = someHosts(40)) {
  const world = makeWorld({ hosts, policy: { ...somePolicy, gates } });
  const metrics = memoryMetrics({ label: 'fqdn', read });
  const calls: string[] = [];
  const process = world.process((call) => {
    calls.push(call);
    return null;
  });
  const context: EngineContext = { ...process.context, metrics };
  const check = async (named: readonly string[] = [], more: Partial<EngineContext> = {}) => {
    const checked = await checkGates({ ...context, ...more }, { hosts: named });
    if (!checked.ok) throw new Error(checked.error.message);
    return checked.value;
  };
  return { world, context, calls, check, metrics };
}

const only = (checked: GatesChecked) => {
  const [one] = checked.gates;
  if (one === undefined) throw new Error('no gate was checked');
  return one;
};

describe('gates check', () => {
  it('shows the numbers of the fleet, one a host, and the worst by name', async () => {
    const { check } = setup([gate('cpu', { limit: 0.1 })]);
    const checked = await check();
    expect(checked).toMatchObject({ kind: 'pass', hosts: 40, held: [], unknownZones: [] });
    expect(only(checked)).toMatchObject({
      gate: 'cpu',
      source: 'prometheus',
      verdict: { kind: 'pass', samples: 200 },
      numbers: { hosts: 40, median: 0.02, p90: 0.036, worst: { host: 'h40', value: 0.04 } },
      rehearsal: null,
    });
  });

  it('names as the worst the number that the verdict names: two numbers of one thing would be a riddle', async () => {
    // One host is worse at one time alone.
    let asked = 0;
    const read: Read = (signal, host, at) => {
      asked = Math.max(asked, at);
      return host === 'h7' && at === asked ? 0.05 : numbered(signal, host, at);
    };
    const { verdict, numbers } = only(await setup([gate('cpu', { limit: 0.1, forMs: 0 })], read).check());
    expect(numbers?.worst).toEqual({ host: 'h7', value: 0.05 });
    expect(verdict.worst).toBe(numbers?.worst.value);
    expect(numbers?.median).toBe(0.02);
  });

  it('has the worst below where little is bad', async () => {
    const { check } = setup([gate('alive', { direction: 'below', limit: 0.0005 })]);
    expect(only(await check()).numbers).toMatchObject({ median: 0.021, p90: 0.005, worst: { host: 'h1' } });
  });

  it('says of a gate that would fail that it would, in one evaluation, whatever it takes in a row', async () => {
    const { check } = setup([gate('cpu', { limit: 0.03, forMs: 0, failures: 3 })]);
    const checked = await check();
    expect(checked.kind).toBe('fail');
    expect(only(checked).verdict.offenders[0]).toMatchObject({ hostName: 'h40' });
  });

  it('names hosts without a number, and passes nothing', async () => {
    const read: Read = (signal, host, at) => (host === 'h7' ? undefined : numbered(signal, host, at));
    const checked = await setup([gate('cpu', {})], read).check();
    expect(checked.kind).toBe('inconclusive');
    expect(only(checked)).toMatchObject({ verdict: { silent: ['h7'] }, numbers: { hosts: 39 } });
    expect(only(await setup([gate('cpu', {})], () => undefined).check())).toMatchObject({ numbers: null });
  });

  it('tells a source that fails from one that says nothing', async () => {
    const { metrics, check } = setup([gate('cpu', { compare })]);
    metrics.failure = { kind: 'unavailable', message: 'HTTP 503' };
    const checked = await check();
    expect(checked.kind).toBe('error');
    expect(only(checked)).toMatchObject({ verdict: { kind: 'error' }, numbers: null });
  });

  it('leaves out of its word who abstains, and is no pass where nobody else is left', async () => {
    const silent = gate('cpu', { noData: 'abstain' });
    const read: Read = (signal) => (signal === 'cpu' ? undefined : 1);
    const alive = gate('alive', { direction: 'below', limit: 1, forMs: 0 });
    expect((await setup([silent, alive], read).check()).kind).toBe('pass');
    expect((await setup([silent], read).check()).kind).toBe('inconclusive');
  });

  it('rehearses a comparison on the canaries that a rollout would choose', async () => {
    const { check } = setup([gate('cpu', { compare })]);
    const { rehearsal } = only(await check());
    expect(rehearsal?.changed).toHaveLength(2);
    expect(rehearsal).toMatchObject({
      control: 38,
      verdict: { comparison: { kind: 'alike', basis: 'difference', floor: 0.02, alpha: 0.05 } },
    });
  });

  it('calls a difference that is found where nothing has changed a failure', async () => {
    const canaries = only(await setup([gate('cpu', { compare })]).check()).rehearsal?.changed ?? [];
    const now = makeWorld().clock.now();
    const odd: Read = (_, host, at) => (canaries.includes(host) && at > now - 20_000 ? 0.09 : 0.03);
    const { check } = setup([gate('cpu', { compare })], odd);
    const checked = await check();
    expect(checked.kind).toBe('fail');
    expect(only(checked)).toMatchObject({
      verdict: { kind: 'pass' },
      rehearsal: { verdict: { comparison: { kind: 'worse' } } },
    });
  });

  it('says how many hosts would do where there are too few', async () => {
    const { check } = setup([gate('cpu', { compare: { ...compare, alpha: 0.001 } })], numbered, someHosts(6));
    expect(only(await check()).rehearsal?.verdict.comparison).toMatchObject({
      kind: 'too-few',
      enough: { control: expect.any(Number) },
    });
  });

  it('rehearses a comparison with before on all hosts', async () => {
    const { check } = setup([gate('cpu', { compare: { ...compare, with: 'before' } })]);
    const { rehearsal } = only(await check());
    expect(rehearsal).toMatchObject({ verdict: { comparison: { with: 'before', kind: 'alike' } } });
    expect(rehearsal?.changed).toHaveLength(40);
  });

  it('looks at the hosts that are named, and says which it does not know', async () => {
    const { check, context } = setup([gate('cpu', {})]);
    const checked = await check(['h3', 'h5', 'h3']);
    expect(checked.hosts).toBe(2);
    const wrong = await checkGates(context, { hosts: ['h3', 'h300'] });
    expect(wrong).toMatchObject({
      ok: false,
      error: { exit: 'usage', code: 'unknown-host', next: expect.stringContaining('did you mean h') },
    });
  });

  it('takes no lease, writes nothing and touches no host', async () => {
    const { check, calls, world } = setup([gate('cpu', { compare })]);
    await check();
    expect(new Set(calls)).toEqual(new Set(['inventory.list', 'journal.read']));
    expect(world.journal.entries).toEqual([]);
  });

  it('goes on where the journal cannot be read, and says that it knows of no holds', async () => {
    const { check, context } = setup([gate('cpu', {})]);
    const journal: EngineContext['journal'] = {
      ...context.journal,
      read: async () => ({
        ok: false,
        error: { kind: 'unavailable', message: 'no bucket', retryable: true },
      }),
    };
    expect(await check([], { journal })).toMatchObject({ kind: 'pass', held: null });
  });

  it('that is called off brings no verdict', async () => {
    const { context } = setup([gate('cpu', {})]);
    const stop = new AbortController();
    stop.abort();
    expect(await checkGates(context, { hosts: [], signal: stop.signal })).toMatchObject({
      ok: false,
      error: { exit: 'interrupted' },
    });
  });
});

it('hosts on which a rollout found the agent stopped are looked at, and said to be stopped', async () => {
  const world = makeWorld({ hosts: someHosts(2, ['web']) });
  for (const host of world.fleet.hosts.values()) host.stop();
  expect(await world.clock.run(begin(world.process()))).toMatchObject({ reason: { code: 'no-witness' } });
  const checked = await checkGates(world.process().context, { hosts: [] });
  const [canary] = [...world.rollout().hosts.values()].filter(({ leftStopped }) => leftStopped);
  if (!checked.ok || canary === undefined) throw new Error('nothing was checked');
  expect(checked.value).toMatchObject({ held: [], stopped: [canary.host.name] });
  expect(gatesLines('gstg', checked.value, createPaint(false, 200)).join('\n')).toContain(
    `${canary.host.name}: the agent was last found stopped (rollout osqueryd start --env gstg --host ${canary.host.name})`,
  );
});
