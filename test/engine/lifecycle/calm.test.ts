import { describe, expect, it } from 'vitest';
import { verifyChain } from '../../../src/domain/journal.ts';
import { PACKAGE_VERBS } from '../../../src/domain/lifecycle.ts';
import { readHolds } from '../../../src/engine/list-holds.ts';
import { runLifecycle } from '../../../src/engine/run-lifecycle.ts';
import { sha256 } from '../../fakes/journal-entries.ts';
import { begin, someHosts } from '../world.ts';
import {
  act,
  type LifecycleWorld,
  lifecycleWorld,
  namesDown,
  reportOf,
  someRequest,
} from './lifecycle-world.ts';

const never = new AbortController().signal;
const running = (world: LifecycleWorld): number =>
  [...world.fleet.hosts.values()].filter((host) => host.running !== '').length;

describe('a calm action', () => {
  it('lifts the holds of a stop, proves that all run, and journals first', async () => {
    const world = lifecycleWorld({ hosts: someHosts(5) });
    const machine = world.machine();
    await world.clock.run(act(world, machine.process()));
    const before = world.journal.entries.length;
    let intendedAtContact = false;
    world.fleet.onContact = () => {
      intendedAtContact = world.journal.entries
        .slice(before)
        .some(({ body }) => body.kind === 'lifecycle-intended');
    };
    const report = reportOf(
      await world.clock.run(act(world, machine.process(), someRequest(world, { verb: 'start' }))),
    );
    expect(intendedAtContact).toBe(true);
    expect(report).toMatchObject({ end: 'done', settled: null, record: { kind: 'journal' } });
    expect([running(world), namesDown(world), world.state().holds.size]).toEqual([5, [], 0]);
    expect(world.kinds().slice(before)).toEqual([
      'lease-taken',
      'lifecycle-intended',
      'lifecycle-answered',
      'lifecycle-ended',
    ]);
    expect(await world.leases.of(99).holder()).toBeNull();
  });

  it('names who holds the lease, and touches nothing', async () => {
    const world = lifecycleWorld();
    const rollout = begin(world.process());
    await world.clock.run(world.clock.sleep(6_000));
    const contacts = world.fleet.contacts.filter(({ program }) => program === 'service').length;
    const ended = await world.clock.run(
      runLifecycle(world.machine().process().context, someRequest(world, { verb: 'restart' }), never),
    );
    expect(ended).toMatchObject({
      ok: false,
      error: { exit: 'locked', message: expect.stringContaining('ada@ops-1 (rollout deploy gstg 5.10.2') },
    });
    expect(contacts).toBe(0);
    expect(await world.clock.run(rollout)).toMatchObject({ kind: 'finished' });
  });

  it.each(PACKAGE_VERBS)('%s waits for a rollout that is not finished', async (verb) => {
    const world = lifecycleWorld();
    const called = new AbortController();
    world.clock.after(8_000, () => called.abort());
    await world.clock.run(begin(world.process(), {}, { signal: called.signal }));
    const ended = await world.clock.run(
      runLifecycle(world.machine().process().context, someRequest(world, { verb }), never),
    );
    expect(ended).toMatchObject({ ok: false, error: { exit: 'held', code: 'rollout-under-way' } });
    expect(world.bodies('lifecycle-intended')).toEqual([]);
    expect(await world.leases.of(99).holder()).toBeNull();
  });

  it.each(['hangs', 'refuses'] as const)('does nothing without the journal that %s', async (how) => {
    const world = lifecycleWorld();
    const machine = world.machine();
    if (how === 'refuses') machine.bucket = how;
    else
      world.journal.failBy((call) =>
        call.on === 'append' ? { on: 'append', kind: 'unavailable', retryable: false } : undefined,
      );
    const ended = await world.clock.run(
      runLifecycle(machine.process().context, someRequest(world, { verb: 'restart' }), never),
    );
    expect(ended).toMatchObject({ ok: false, error: { exit: 'failed' } });
    expect(world.fleet.contacts).toEqual([]);
    expect(await world.leases.of(99).holder()).toBeNull();
  });

  it('touches nobody whose intention the journal did not take', async () => {
    const world = lifecycleWorld();
    world.journal.failBy((call) =>
      call.on === 'append' && call.entry.body.kind === 'lifecycle-intended'
        ? { on: 'append', kind: 'unavailable', retryable: false }
        : undefined,
    );
    const ended = await world.clock.run(
      runLifecycle(world.machine().process().context, someRequest(world, { verb: 'restart' }), never),
    );
    expect(ended).toMatchObject({ ok: false, error: { exit: 'failed', code: 'journal-unavailable' } });
    expect(world.fleet.contacts).toEqual([]);
  });

  it('leaves what is held stopped when it restarts', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    const machine = world.machine();
    const [first] = someRequest(world).hosts;
    await world.clock.run(
      act(world, machine.process(), someRequest(world, { hosts: first === undefined ? [] : [first] })),
    );
    const report = reportOf(
      await world.clock.run(act(world, machine.process(), someRequest(world, { verb: 'restart' }))),
    );
    expect(report.end).toBe('done');
    expect(report.hosts.map(({ outcome }) => outcome.kind === 'proven' && outcome.service)).toEqual([
      'left-held',
      'running',
      'running',
    ]);
    expect(namesDown(world)).toEqual(['h1']);
    expect(world.state().holds.size).toBe(1);
  });

  it('does not restart again what did not come up', async () => {
    const world = lifecycleWorld({ hosts: someHosts(2) });
    world.fleet.host('h1').trouble.cannotStop = true;
    const report = reportOf(
      await world.clock.run(act(world, world.machine().process(), someRequest(world, { verb: 'restart' }))),
    );
    expect(report).toMatchObject({ end: 'incomplete', notCovered: [{ host: { name: 'h1' } }] });
    expect(world.fleet.contacts.filter(({ id }) => id === '1')).toHaveLength(1);
  });

  it('whose lease an emergency takes begins nothing new, and what it did is recorded all the same', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    const [one, two] = [world.machine(), world.machine()];
    world.fleet.cutOff.add('1');
    const restarting = act(world, one.process(), someRequest(world, { verb: 'restart', deadlineMs: null }));
    await world.clock.run(world.clock.sleep(20_000));
    const stopped = reportOf(await world.clock.run(act(world, two.process())));
    expect(stopped.record.kind).toBe('journal');
    const report = reportOf(await world.clock.run(restarting));
    expect(report).toMatchObject({
      end: 'interrupted',
      why: expect.stringContaining('the lease was lost'),
      record: { kind: 'journal' },
    });
    expect(world.bodies('lifecycle-ended')).toHaveLength(2);
    expect(one.outbox.entries).toEqual([]);
    expect(namesDown(world)).toEqual(['h2', 'h3']);
    expect(verifyChain(world.journal.entries, sha256)).toBeNull();
  });

  it('does not start what an emergency has stopped a few seconds before its next try', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    const [one, two] = [world.machine(), world.machine()];
    world.fleet.cutOff.add('1');
    const starting = act(world, one.process(), someRequest(world, { verb: 'start' }));
    const firstTries = (): number => world.fleet.contacts.filter(({ id }) => id === '1').length;
    await world.clock.run(Promise.race([starting, world.clock.sleep(3_000)]));
    const before = firstTries();
    world.fleet.cutOff.delete('1');
    const stopped = reportOf(
      await world.clock.run(act(world, two.process(), someRequest(world, { settleMs: 0 }))),
    );
    expect(stopped.end).toBe('done');
    const report = reportOf(await world.clock.run(starting));
    expect(before).toBeLessThan(3);
    expect(namesDown(world)).toEqual(['h1', 'h2', 'h3']);
    expect(report).toMatchObject({ end: 'interrupted', why: expect.stringContaining('the lease was lost') });
  });

  it('whose journal is gone by then leaves the answers here', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    const machine = world.machine();
    world.fleet.onContact = () => {
      machine.bucket = 'refuses';
    };
    const report = reportOf(
      await world.clock.run(act(world, machine.process(), someRequest(world, { verb: 'restart' }))),
    );
    expect(report).toMatchObject({ end: 'done', record: { kind: 'waiting', entries: 2 } });
    expect(machine.outbox.entries.map(({ body }) => body.kind)).toEqual([
      'lifecycle-answered',
      'lifecycle-ended',
    ]);
  });

  it('sends what an earlier emergency left here before it does anything itself', async () => {
    const world = lifecycleWorld({ hosts: someHosts(2) });
    const machine = world.machine();
    machine.bucket = 'refuses';
    await world.clock.run(act(world, machine.process()));
    machine.bucket = 'none';
    await world.clock.run(act(world, machine.process(), someRequest(world, { verb: 'start' })));
    expect(world.bodies('lifecycle-intended').map(({ verb }) => verb)).toEqual(['stop', 'start']);
    expect(world.state().holds.size).toBe(0);
    expect(machine.outbox.entries).toEqual([]);
  });

  it.each([0, 30, 300, 2_100])('called off after %d ms tells whom it did not reach', async (ms) => {
    const world = lifecycleWorld({ hosts: someHosts(4) });
    world.fleet.cutOff.add('1');
    const called = new AbortController();
    if (ms === 0) called.abort();
    else world.clock.after(ms, () => called.abort());
    const ended = await world.clock.run(
      runLifecycle(world.machine().process().context, someRequest(world, { verb: 'restart' }), called.signal),
    );
    if (ms === 0) expect(ended).toMatchObject({ ok: false, error: { exit: 'interrupted' } });
    else {
      expect(ended).toMatchObject({ ok: true, value: { end: 'interrupted' } });
      if (ended.ok) expect(ended.value.notCovered.map(({ host }) => host.name)).toContain('h1');
    }
    expect(await world.leases.of(99).holder()).toBeNull();
    expect(running(world)).toBe(4);
  });

  it('writes the answers of a large fleet in groups, and its intention in parts', {
    timeout: 60_000,
  }, async () => {
    const world = lifecycleWorld({ hosts: someHosts(1_200) });
    const report = reportOf(
      await world.clock.run(act(world, world.machine().process(), someRequest(world, { verb: 'enable' }))),
    );
    expect(report).toMatchObject({ end: 'done', record: { kind: 'journal' } });
    expect(world.bodies('lifecycle-intended').map(({ hosts }) => hosts.length)).toEqual([500, 500, 200]);
    expect(world.bodies('lifecycle-answered').map(({ hosts }) => hosts.length)).toEqual(
      Array.from({ length: 24 }, () => 50),
    );
  });
});

describe('holds', () => {
  it('are told from the journal and from what waits here', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    const machine = world.machine();
    const [first, ...rest] = someRequest(world).hosts;
    if (first === undefined) throw new Error('no host');
    await world.clock.run(act(world, machine.process(), someRequest(world, { hosts: rest })));
    machine.bucket = 'refuses';
    await world.clock.run(act(world, machine.process(), someRequest(world, { hosts: [first] })));
    machine.bucket = 'none';
    const read = await world.clock.run(readHolds(machine.process().context));
    if (!read.ok) throw new Error(read.error.message);
    expect(read.value.holds.map(({ name, state, due }) => `${name} ${state} ${due}`)).toEqual([
      'h2 confirmed false',
      'h3 confirmed false',
      'h1 confirmed false',
    ]);
    expect(read.value).toMatchObject({ waiting: 4, notes: [] });
    const elsewhere = await world.clock.run(readHolds(world.machine().process().context));
    expect(elsewhere.ok && elsewhere.value.holds).toHaveLength(2);
    await world.clock.advance(73 * 3_600_000);
    const later = await world.clock.run(readHolds(machine.process().context));
    expect(later.ok && later.value.holds.every(({ due }) => due)).toBe(true);
  });

  it('are not told from a journal that cannot be read', async () => {
    const world = lifecycleWorld();
    const machine = world.machine();
    machine.bucket = 'refuses';
    expect(await world.clock.run(readHolds(machine.process().context))).toMatchObject({ ok: false });
  });
});
