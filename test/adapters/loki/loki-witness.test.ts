import { afterEach, describe, expect, it } from 'vitest';
import { lokiWitness } from '../../../src/adapters/loki/loki-witness.ts';
import type { LokiSettings } from '../../../src/domain/witness.ts';
import { type FakeLoki, startLoki } from '../../fakes/loki.ts';
import { manualClock } from '../../fakes/manual-clock.ts';
import {
  bearer,
  behavesOnBadDays,
  failureOf,
  host,
  NOW,
  newest,
  numbers,
  question,
  STEP,
  secrets,
} from '../witness-rig.ts';

const open: FakeLoki[] = [];
afterEach(async () => {
  for (const fake of open.splice(0)) await fake.close();
});

const ALL = 'sum by (host)(count_over_time({job="osquery_results"}[$window]))';
const SOME = 'sum by ($label)(count_over_time({job="osquery_results",$label=~"$hosts"}[$window]))';
const ALIVE = 'sum(count_over_time({job="osquery_results"}[$window]))';

async function setup(more: Partial<LokiSettings> = {}) {
  const fake = await startLoki();
  open.push(fake);
  const settings: LokiSettings = {
    kind: 'loki',
    url: fake.url,
    auth: bearer,
    timeoutMs: 5_000,
    query: ALL,
    hostLabel: 'host',
    hostValue: '{name}',
    windowMs: 300_000,
    ...more,
  };
  const clock = manualClock({ start: NOW, autoAdvance: true });
  return { fake, clock, witness: lokiWitness({ settings, name: 'w', secrets, clock }) };
}

const steady = (...names: string[]) => new Map(names.map((name) => [name, () => 7]));

describe('Loki on a bad day', () => {
  behavesOnBadDays(async (timeoutMs) => {
    const { fake, witness } = await setup({ timeoutMs });
    fake.lines = steady('web-01');
    return { backend: fake, witness, question: question([host('web-01')]) };
  });

  it('an empty answer is no data, never zero', async () => {
    const { witness } = await setup();
    const answer = await numbers(witness, question([host('web-01'), host('web-02')]));
    expect(answer).toMatchObject({ byHost: new Map(), ambiguous: [], warnings: [] });
  });

  it('an answer that ends early is no data from then on, for everybody', async () => {
    const { fake, witness } = await setup();
    fake.lines = new Map([['web-01', (at: number) => (at <= NOW - 2 * STEP ? 7 : 0)]]);
    const { byHost } = await numbers(witness, question([host('web-01'), host('web-02')]));
    expect(byHost.get('id-web-01')).toEqual([{ at: NOW - 2 * STEP, value: 7 }]);
    expect(byHost.get('id-web-02')).toEqual([{ at: NOW - 2 * STEP, value: 0 }]);
  });

  it('warnings mean that it is not whole', async () => {
    const { fake, witness } = await setup();
    fake.lines = steady('web-01');
    fake.warnings = ['an ingester is away'];
    expect((await numbers(witness, question([host('web-01')]))).warnings).toEqual(['an ingester is away']);
  });

  it('too many series are refused, and what mends it is said', async () => {
    const { fake, witness } = await setup();
    fake.mostSeries = 1;
    fake.lines = steady('web-01', 'web-02');
    const error = await failureOf(witness, question([host('web-01')]));
    expect(error).toMatchObject({
      kind: 'rejected',
      message: expect.stringMatching(/maximum of series \(1\).*=~"\$hosts"/),
    });
  });

  it('one part of several that fails is a failure of all', async () => {
    const { fake, witness } = await setup({ query: SOME });
    const names = Array.from({ length: 900 }, (_, index) => `h${index}`);
    fake.lines = steady(...names);
    fake.moods = [{ kind: 'well' }, { kind: 'says', status: 400, body: 'no' }, { kind: 'well' }];
    expect((await failureOf(witness, question(names.map((name) => host(name))))).message).toContain(
      'HTTP 400',
    );
  });

  it('429 with a short Retry-After is waited for', async () => {
    const { fake, clock, witness } = await setup();
    fake.lines = steady('web-01');
    fake.moods = [
      { kind: 'says', status: 429, body: 'too many outstanding requests', headers: { 'retry-after': '1' } },
      { kind: 'well' },
    ];
    expect(newest(await numbers(witness, question([host('web-01')])))).toEqual({ 'web-01': 7 });
    expect(clock.elapsedMs).toBe(1_000);
  });

  it('lines of logs instead of numbers are not understood', async () => {
    const { fake, witness } = await setup();
    const data = { resultType: 'streams', result: [{ stream: { host: 'web-01' }, values: [['1', 'line']] }] };
    fake.moods = [{ kind: 'says', body: { status: 'success', data } }];
    expect((await failureOf(witness, question([host('web-01')]))).message).toContain(
      '"streams", not "matrix"',
    );
  });

  it('a wrong query is refused in its own words', async () => {
    const { witness } = await setup({ query: 'parse error' });
    expect((await failureOf(witness, question([host('web-01')]))).message).toContain('syntax error');
  });
});

describe('Loki', () => {
  it('a host without a series has 0 while others have lines', async () => {
    const { fake, witness } = await setup();
    fake.lines = steady('web-01', 'stranger');
    const answer = await numbers(witness, question([host('web-01'), host('web-02')]));
    expect(newest(answer)).toEqual({ 'web-01': 7, 'web-02': 0 });
    expect(answer.byHost.get('id-web-02')?.map(({ at }) => at)).toEqual([NOW - 2 * STEP, NOW - STEP, NOW]);
  });

  it('a wave that is silent as a whole has 0 only where something else proves that logs arrive', async () => {
    const blind = await setup({ query: SOME });
    blind.fake.lines = steady('stranger');
    expect((await numbers(blind.witness, question([host('web-01')]))).byHost.size).toBe(0);
    const seeing = await setup({ query: SOME, alive: ALIVE });
    seeing.fake.lines = steady('stranger');
    expect(newest(await numbers(seeing.witness, question([host('web-01')])))).toEqual({ 'web-01': 0 });
  });

  it('a window that reaches behind the change says nothing', async () => {
    const { fake, witness } = await setup();
    fake.lines = steady('web-01', 'stranger');
    const hosts = [host('web-01', NOW - 300_000), host('web-02', NOW - 299_000), host('control', 0)];
    const { byHost } = await numbers(witness, question(hosts));
    expect([...byHost].map(([id, samples]) => [id, samples.map(({ at }) => NOW - at)])).toEqual([
      ['id-web-01', [0]],
      ['id-control', [2 * STEP, STEP, 0]],
    ]);
  });

  it('two series of one host, and two VMs of one name, are ambiguous', async () => {
    const { fake, witness } = await setup();
    fake.lines = steady('web-01');
    fake.twice = true;
    const twins = [host('web-01'), host('web-02', NOW, { id: 'x' }), host('web-02', NOW, { id: 'y' })];
    expect((await numbers(witness, question(twins))).ambiguous).toEqual(['id-web-01', 'x', 'y']);
  });

  it('times between whole steps are asked for at the whole step before, and come back as ours', async () => {
    const { fake, witness } = await setup();
    fake.lines = new Map([['web-01', (at: number) => (at === NOW ? 3 : 5)]]);
    const span = { from: NOW - 2 * STEP + 17_000, to: NOW + 17_000 };
    const { byHost } = await numbers(witness, question([host('web-01')], span));
    expect(byHost.get('id-web-01')).toEqual([
      { at: NOW - STEP + 17_000, value: 5 },
      { at: NOW + 17_000, value: 3 },
    ]);
  });

  it('names hosts literally, inside the string of the query', async () => {
    const { fake, witness } = await setup({ query: SOME, hostValue: '{name}.x"y' });
    fake.lines = steady('web-01.x"y', 'web-01-x"y');
    expect(newest(await numbers(witness, question([host('web-01')])))).toEqual({ 'web-01': 7 });
    expect(fake.queries).toEqual([
      'sum by (host)(count_over_time({job="osquery_results",host=~"web-01\\\\.x\\"y"}[300s]))',
    ]);
  });

  it('names the tenant', async () => {
    const { fake, witness } = await setup({ tenant: 'security' });
    fake.tenant = 'security';
    fake.lines = steady('web-01');
    expect(newest(await numbers(witness, question([host('web-01')])))).toEqual({ 'web-01': 7 });
  });

  it('10,000 hosts are 25 queries where the query names them, and one where it does not', async () => {
    const { fake, witness } = await setup({ query: SOME, timeoutMs: 20_000 });
    const names = Array.from({ length: 10_000 }, (_, index) => `h${index}`);
    fake.lines = steady(...names);
    const { byHost } = await numbers(witness, question(names.map((name) => host(name))));
    expect(byHost.size).toBe(10_000);
    expect(fake.queries.length).toBe(25);
    const all = await setup();
    all.fake.mostSeries = 10_000;
    all.fake.lines = fake.lines;
    expect((await numbers(all.witness, question(names.map((name) => host(name))))).byHost.size).toBe(10_000);
    expect(all.fake.queries.length).toBe(1);
  });
});
