/** The fleet as it is told of, now and in the past: what cannot be known is never told. */
import { describe, expect, it } from 'vitest';
import { coverageReport } from '../../src/domain/coverage-report.ts';
import { type Expression, parseExpression } from '../../src/domain/expression.ts';
import type { Host } from '../../src/domain/host.ts';
import {
  type FleetQuestion,
  type FleetReport,
  reportAddress,
  reportFleet,
} from '../../src/engine/fleet-report.ts';
import { begin, makeWorld, someHosts, type World } from './world.ts';

const LOOK = { how: { kind: 'look' } } as const;
const LIST = { how: { kind: 'list' } } as const;

function ask(world: World, question: FleetQuestion = LOOK, signal?: AbortSignal) {
  return world.clock.run(reportFleet(world.process().context, question, signal));
}

async function told(world: World, question: FleetQuestion = LOOK): Promise<FleetReport> {
  const report = await ask(world, question);
  if (!report.ok) throw new Error(report.error.message);
  return report.value;
}

const states = ({ rows }: FleetReport): string[] =>
  rows.map(({ name, eligibility, state }) =>
    eligibility.kind === 'eligible' ? `${name} ${state}` : `${name} ${eligibility.kind}`,
  );

function parsed(text: string): Expression {
  const expression = parseExpression(text);
  if (!expression.ok) throw new Error(expression.error.message);
  return expression.value;
}

const gkeNode: Host = {
  ...(someHosts(1)[0] as Host),
  id: '90',
  name: 'gke-1',
  labels: { 'goog-gke-node': '' },
};

function coverageOf(world: World, report: FleetReport) {
  return coverageReport({
    environment: world.environment,
    rows: report.rows,
    unknownZones: report.unknownZones,
    pin: report.pin,
    since: report.since,
    at: world.clock.now(),
    isPast: false,
  });
}

describe('the fleet now', () => {
  it('is listed and looked at: running only by the process that was seen, troubled ones first', async () => {
    const world = makeWorld({ hosts: [...someHosts(4), gkeNode] });
    world.fleet.host('h2').stop();
    world.fleet.host('h3').packageState = 'absent';
    world.fleet.cutOff.add('4');
    const report = await told(world);
    expect(states(report)).toEqual(['h4 silent', 'h3 absent', 'h2 stopped', 'h1 running', 'gke-1 exempt']);
    expect(report.rows[0]?.silence).toContain('connect timed out');
    expect(report).toMatchObject({ all: 5, recorded: null, notes: [], source: { kind: 'look' } });
    expect(world.fleet.contacts.map(({ id }) => id).sort()).toEqual(['1', '2', '3', '4']);
    expect(world.journal.entries).toEqual([]);
  });

  it('without a look contacts nobody: agents are as last recorded, or unseen', async () => {
    const world = makeWorld({ hosts: someHosts(2) });
    expect(states(await told(world, LIST))).toEqual(['h1 unseen', 'h2 unseen']);
    expect(world.fleet.contacts).toEqual([]);
    const { source } = await told(world, { ...LOOK, record: true });
    world.fleet.host('h2').stop();
    await world.clock.advance(60_000);
    const later = await told(world, LIST);
    expect(states(later)).toEqual(['h1 running', 'h2 running']);
    expect(later.rows[0]?.agentSeenAt).toBeGreaterThan(0);
    expect(later.rows[0]?.agentSeenAt).toBeLessThanOrEqual(source.at);
  });

  it('with --where looks only at those, and records nobody else as gone', async () => {
    const world = makeWorld({ hosts: someHosts(4) });
    await told(world, { ...LOOK, record: true });
    const before = world.fleet.contacts.length;
    const report = await told(world, { ...LOOK, record: true, where: parsed('role == "db"') });
    expect(states(report)).toEqual(['h2 running', 'h4 running']);
    expect(report.all).toBe(4);
    expect(
      world.fleet.contacts
        .slice(before)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(['2', '4']);
    expect(world.bodies('fleet-seen').flatMap(({ gone }) => gone)).toEqual([]);
  });

  it('an inventory that does not answer is a refusal, not an empty fleet', async () => {
    const world = makeWorld();
    world.fleet.inventoryFails = true;
    expect(await ask(world)).toMatchObject({
      ok: false,
      error: { code: 'inventory-failed', exit: 'failed' },
    });
  });

  it('tells how many VMs a zone had that cannot be listed now', async () => {
    const world = makeWorld({ hosts: someHosts(6) });
    world.fleet.unknownZones.add('z1');
    expect((await told(world)).unknownZones).toEqual([{ zone: 'z1', why: 'not listed', lastKnown: null }]);
    world.fleet.unknownZones.clear();
    await told(world, { ...LOOK, record: true });
    world.fleet.unknownZones.add('z1');
    const report = await told(world);
    expect(report.unknownZones).toEqual([{ zone: 'z1', why: 'not listed', lastKnown: 2 }]);
    expect(report.rows).toHaveLength(4);
    expect(coverageOf(world, report).verdict).toBe('held');
  });

  it('an interrupted look records nothing', async () => {
    const world = makeWorld();
    const stop = new AbortController();
    world.clock.after(10, () => stop.abort());
    await ask(world, { ...LOOK, record: true }, stop.signal);
    expect(world.journal.entries).toEqual([]);
  });

  it('a journal that cannot be read is said, or refused where the answer rests on it; an altered one always is', async () => {
    const world = makeWorld();
    world.journal.failNext({ on: 'read', kind: 'unavailable' });
    const report = await told(world);
    expect(report.rows).toHaveLength(6);
    expect(report.notes[0]).toContain('cannot read the journal of gstg');
    world.journal.failNext({ on: 'read', kind: 'unavailable' });
    expect(await ask(world, { ...LOOK, needsJournal: true })).toMatchObject({ ok: false });
    await told(world, { ...LOOK, record: true });
    world.journal.overwrite(1, { ...world.journal.entries[0], reason: 'altered' });
    expect(await ask(world)).toMatchObject({ ok: false, error: { code: 'journal-corrupt' } });
  });

  it('what could not be recorded is told and answered', async () => {
    const world = makeWorld();
    world.journal.failBy((call) =>
      call.on === 'append' ? { on: 'append', kind: 'unavailable', retryable: false } : undefined,
    );
    expect(await told(world, { ...LOOK, record: true })).toMatchObject({ recorded: false });
    expect(world.events.at(-1)).toMatchObject({ kind: 'notice', reason: { code: 'fleet-not-recorded' } });
    world.journal.failBy(null);
    expect(await told(world, { ...LOOK, record: true })).toMatchObject({ recorded: true });
  });
});

describe('since when', () => {
  it('is what the journal recorded, now for a VM that it had as covered, and nothing for one that it never had', async () => {
    const world = makeWorld({ hosts: someHosts(3) });
    world.fleet.vanished.add('3');
    world.fleet.host('h1').stop();
    const first = await told(world, { ...LOOK, record: true });
    expect(first.since.get('1')).toBeUndefined();
    const recordedAt = world.journal.entries.at(-1)?.at;
    await world.clock.advance(3_600_000);
    world.fleet.vanished.clear();
    world.fleet.host('h2').stop();
    world.fleet.host('h3').stop();
    const { since, source } = await told(world);
    expect(since.get('1')).toBe(recordedAt);
    expect(since.get('2')).toBe(source.at);
    expect(since.has('3')).toBe(false);
  });

  it('a VM that does not answer is silent though it was running, and its last version stays known', async () => {
    const world = makeWorld({ hosts: someHosts(1) });
    await told(world, { ...LOOK, record: true });
    world.fleet.cutOff.add('1');
    await world.clock.advance(60_000);
    const report = await told(world);
    expect(report.rows).toMatchObject([{ state: 'silent', version: '5.10.1-1.linux' }]);
    expect(coverageOf(world, report)).toMatchObject({ verdict: 'below-target', percent: 0 });
  });
});

describe('the fleet in the past', () => {
  it('comes from the journal alone, with what ran by digest after a rollout', async () => {
    const world = makeWorld({ hosts: someHosts(4) });
    await told(world, { ...LOOK, record: true });
    const before = world.clock.now();
    await world.clock.run(begin(world.process()));
    await told(world, { ...LOOK, record: true });
    world.fleet.inventoryFails = true;
    const contacts = world.fleet.contacts.length;
    const past = await told(world, { how: { kind: 'recorded', at: before } });
    expect(past.rows.map(({ version }) => version)).toEqual(Array(4).fill('5.10.1-1.linux'));
    expect(past).toMatchObject({ pin: null, source: { kind: 'recorded', asked: before } });
    const now = await told(world, { how: { kind: 'recorded', at: world.clock.now() } });
    expect(now.rows.map(({ version, versionBy, isOffPin }) => [version, versionBy, isOffPin])).toEqual(
      Array.from({ length: 4 }, () => ['5.10.2-1.linux', 'digest', false]),
    );
    expect(now.pin).toBe('5.10.2');
    expect(world.fleet.contacts).toHaveLength(contacts);
  });

  it('before the first record is refused with the time of the first one', async () => {
    const world = makeWorld();
    const early = world.clock.now() - 1;
    expect(await ask(world, { how: { kind: 'recorded', at: early } })).toMatchObject({
      ok: false,
      error: {
        code: 'no-record',
        exit: 'failed',
        message: expect.stringContaining('was never recorded'),
      },
    });
    await told(world, { ...LOOK, record: true });
    expect(await ask(world, { how: { kind: 'recorded', at: early } })).toMatchObject({
      ok: false,
      error: {
        code: 'no-record',
        message: expect.stringContaining('the first record of it is of 2026-01-01'),
      },
    });
  });

  it('does not ask for attributes that the journal does not keep', async () => {
    const world = makeWorld();
    await told(world, { ...LOOK, record: true });
    const how = { kind: 'recorded', at: world.clock.now() } as const;
    expect(await ask(world, { how, where: parsed('labels.team == "a" or "x" in tags') })).toMatchObject({
      ok: false,
      error: { exit: 'usage', message: expect.stringContaining('no labels, tags') },
    });
    expect(states(await told(world, { how, where: parsed('name == "h2" and region == "z2"') }))).toEqual([
      'h2 running',
    ]);
  });
});

describe('whose an address was', () => {
  it('is answered with what ran there then, and told apart by id when it was used again', async () => {
    const [old, other] = someHosts(2) as [Host, Host];
    const reborn: Host = { ...other, id: '77', name: old.name, address: old.address };
    const world = makeWorld({ hosts: [old, reborn] });
    world.fleet.vanished.add('77');
    await told(world, { ...LOOK, record: true });
    const then = world.clock.now();
    await world.clock.advance(3_600_000);
    world.fleet.vanished.delete('77');
    world.fleet.vanished.add('1');
    await told(world, { ...LOOK, record: true });
    const at = async (time: number) => {
      const report = await reportAddress(world.process().context, '10.0.0.1', time);
      if (!report.ok) throw new Error(report.error.message);
      return report.value;
    };
    const past = await at(then + 1_000);
    expect(past.answer).toMatchObject({
      holders: [{ host: { id: '1' } }],
      changedTo: [{ host: { id: '77' } }],
    });
    expect(past.rows.get('1')).toMatchObject({ state: 'running', version: '5.10.1-1.linux' });
    expect((await at(world.clock.now())).answer).toMatchObject({
      holders: [{ host: { id: '77' } }],
      others: [{ host: { id: '1' }, end: 'gone' }],
    });
    expect((await at(then - 86_400_000)).answer).toMatchObject({ kind: 'no-record' });
  });
});

it('10,000 VMs are told of within seconds', async () => {
  const world = makeWorld({ hosts: someHosts(10_000) });
  const began = performance.now();
  const report = await told(world, { ...LIST, record: true });
  const again = await told(world, LIST);
  coverageOf(world, again);
  expect(report.rows).toHaveLength(10_000);
  expect(performance.now() - began).toBeLessThan(3_000);
});
