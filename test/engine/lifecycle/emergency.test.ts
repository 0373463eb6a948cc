import { describe, expect, it } from 'vitest';
import { verifyChain } from '../../../src/domain/journal.ts';
import { sendWaiting } from '../../../src/engine/send-waiting.ts';
import { sha256 } from '../../fakes/journal-entries.ts';
import { begin, carryOn, NEW, someHosts } from '../world.ts';
import {
  act,
  type LifecycleWorld,
  lifecycleWorld,
  namesDown,
  reportOf,
  someRequest,
} from './lifecycle-world.ts';

const names = (world: LifecycleWorld): string[] =>
  [...world.fleet.hosts.values()].map(({ host }) => host.name);

describe('an emergency stop', () => {
  it('stops and holds every host, looks again, and is in the journal', async () => {
    const world = lifecycleWorld({ hosts: someHosts(7) });
    const machine = world.machine();
    const report = reportOf(await world.clock.run(act(world, machine.process())));
    expect(namesDown(world)).toEqual(names(world));
    expect(report).toMatchObject({
      end: 'done',
      notCovered: [],
      settled: { stayedDown: 7, startedAgain: [], unseen: [] },
      rollout: null,
      record: { kind: 'journal' },
    });
    expect(world.kinds()).toEqual([
      'lease-taken',
      'lifecycle-intended',
      'lifecycle-answered',
      'lifecycle-settled',
      'lifecycle-ended',
    ]);
    expect(machine.outbox.entries).toEqual([]);
    expect([...world.state().holds.values()].map(({ name, state }) => `${name} ${state}`).sort()).toEqual(
      names(world).map((name) => `${name} confirmed`),
    );
    expect(await world.leases.of(99).holder()).toBeNull();
    expect(verifyChain(world.journal.entries, sha256)).toBeNull();
  });

  it.each(['hangs', 'refuses'] as const)(
    'stops all the same while the bucket %s, and what it did waits here',
    async (how) => {
      const world = lifecycleWorld();
      const machine = world.machine();
      machine.bucket = how;
      const began = world.clock.elapsedMs;
      const report = reportOf(await world.clock.run(act(world, machine.process())));
      expect(namesDown(world)).toEqual(names(world));
      expect(report).toMatchObject({ end: 'done', record: { kind: 'waiting', entries: 4 }, rollout: null });
      // The hosts take 250 ms and the second look about one second; the journal gets ten.
      expect(world.clock.elapsedMs - began).toBeLessThan(13_000);
      expect(world.kinds()).toEqual([]);
      machine.bucket = 'none';
      const sent = await world.clock.run(sendWaiting(machine.process().context));
      expect(sent).toEqual({ sent: 4, left: 0, stuck: 0, why: '' });
      expect(world.kinds()).toEqual([
        'lifecycle-intended',
        'lifecycle-answered',
        'lifecycle-settled',
        'lifecycle-ended',
      ]);
      expect(
        world.journal.entries.every(({ actor, epoch }) => actor.hostname === 'ops-1' && epoch === undefined),
      ).toBe(true);
      expect(world.state().holds.size).toBe(6);
    },
  );

  it('reaches its hosts before the bucket has said a word', async () => {
    const world = lifecycleWorld();
    const machine = world.machine();
    machine.bucket = 'hangs';
    let contactedAt = Number.NaN;
    world.fleet.onContact = () => {
      contactedAt = Number.isNaN(contactedAt) ? world.clock.elapsedMs : contactedAt;
    };
    await world.clock.run(act(world, machine.process()));
    expect(contactedAt).toBe(0);
  });

  it('sends what it wrote as soon as the bucket is back, in the middle of it', async () => {
    const world = lifecycleWorld({ hosts: someHosts(4) });
    const machine = world.machine();
    machine.bucket = 'refuses';
    world.fleet.cutOff.add('1');
    world.clock.after(5_000, () => {
      machine.bucket = 'none';
    });
    const running = act(world, machine.process());
    await world.clock.run(Promise.race([running, world.clock.sleep(9_500)]));
    expect(world.kinds().slice(0, 2).sort()).toEqual(['lease-taken', 'lifecycle-intended']);
    const report = reportOf(await world.clock.run(running));
    expect(report).toMatchObject({ end: 'incomplete', record: { kind: 'journal' } });
    expect(machine.outbox.entries).toEqual([]);
  });

  it.each([
    ['full', 'none', 'journal'],
    ['hangs', 'none', 'journal'],
    ['mute', 'none', 'journal'],
    ['full', 'refuses', 'lost'],
    ['hangs', 'hangs', 'lost'],
    ['mute', 'refuses', 'waiting'],
  ] as const)(
    'with an outbox that is %s and a bucket that answers %s: the record is %s',
    async (outbox, bucket, record) => {
      const world = lifecycleWorld();
      const machine = world.machine();
      machine.outbox.trouble = outbox;
      machine.bucket = bucket;
      const began = world.clock.elapsedMs;
      const report = reportOf(await world.clock.run(act(world, machine.process())));
      expect(namesDown(world)).toEqual(names(world));
      expect(report).toMatchObject({ end: 'done', record: { kind: record } });
      expect(world.clock.elapsedMs - began).toBeLessThan(20_000);
      if (record === 'journal') expect(world.state().holds.size).toBe(6);
      if (outbox === 'full' && record === 'lost')
        expect(report.record).toMatchObject({ why: expect.stringContaining('ENOSPC') });
    },
  );

  it('does not write twice what the journal has and the outbox could not be rid of', async () => {
    const world = lifecycleWorld();
    const machine = world.machine();
    machine.outbox.trouble = 'mute';
    await world.clock.run(act(world, machine.process()));
    const { length } = world.journal.entries;
    machine.outbox.trouble = 'none';
    expect(machine.outbox.entries).toHaveLength(4);
    expect(await world.clock.run(sendWaiting(machine.process().context))).toEqual({
      sent: 4,
      left: 0,
      stuck: 0,
      why: '',
    });
    expect([world.journal.entries.length, machine.outbox.entries.length]).toEqual([length, 0]);
  });

  it('does not hear of entries whose reply is lost, and has each once', async () => {
    const world = lifecycleWorld();
    const machine = world.machine();
    world.journal.failBy((call) =>
      call.on === 'append' && world.clock.elapsedMs < 700 ? { on: 'append', kind: 'lost-reply' } : undefined,
    );
    const report = reportOf(await world.clock.run(act(world, machine.process())));
    expect(report.record).toEqual({ kind: 'journal' });
    expect(world.bodies('lifecycle-intended')).toHaveLength(1);
    expect(world.bodies('lifecycle-ended')).toHaveLength(1);
  });
});

describe('while some hosts are slow', () => {
  it('what others answered is written down within seconds, and the lease stays held', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    const machine = world.machine();
    world.fleet.cutOff.add('1');
    const called = new AbortController();
    const stopping = act(world, machine.process(), someRequest(world, { deadlineMs: null }), called.signal);
    await world.clock.run(Promise.race([stopping, world.clock.sleep(8_500)]));
    const answered = world.bodies('lifecycle-answered').flatMap(({ hosts }) => hosts.map(({ name }) => name));
    expect(answered.sort()).toEqual(['h2', 'h3']);
    await world.clock.run(Promise.race([stopping, world.clock.sleep(200_000)]));
    expect(await world.leases.of(99).holder()).toMatchObject({ actor: { hostname: 'ops-1' } });
    called.abort();
    expect(await world.clock.run(stopping)).toMatchObject({ end: 'interrupted' });
  });

  it('says in the journal when each answered, not when its group was written', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    world.fleet.host('h3').trouble.stopTakesMs = 4_000;
    const started = world.clock.now();
    await world.clock.run(act(world, world.machine().process()));
    const [answered] = world.bodies('lifecycle-answered');
    expect(
      answered?.hosts.map(({ name, agoMs = 0 }) => `${name} ${answered.happenedAt - agoMs - started}`),
    ).toEqual(['h1 250', 'h2 250', 'h3 4050']);
  });

  it('a stop and a start in turn at one host are told apart although groups overlap', async () => {
    const world = lifecycleWorld({ hosts: someHosts(2) });
    const [one, two] = [world.machine(), world.machine()];
    await world.clock.run(act(world, one.process(), someRequest(world, { settleMs: 0 })));
    world.fleet.cutOff.add('2');
    // The start hears from h1 at once and waits for h2; the stop that comes in between has its answers written before.
    const starting = act(world, one.process(), someRequest(world, { verb: 'start' }));
    await world.clock.run(Promise.race([starting, world.clock.sleep(1_000)]));
    const hosts = [world.fleet.host('h1').host];
    await world.clock.run(act(world, two.process(), someRequest(world, { hosts, settleMs: 0 })));
    await world.clock.run(starting);
    expect(namesDown(world)).toContain('h1');
    expect(world.state().holds.get('1')).toMatchObject({ state: 'confirmed' });
  });
});

describe('hosts in an emergency', () => {
  it('gives those that do not answer a second and a third try, and lists them', async () => {
    const world = lifecycleWorld();
    const tries = new Map<string, number>();
    world.fleet.faults = ({ id, program }) => {
      if (program !== 'service') return null;
      const nth = (tries.get(id) ?? 0) + 1;
      tries.set(id, nth);
      if (id === '1') return nth < 2 ? 'unreachable' : null;
      if (id === '2') return nth < 3 ? 'cut-after' : null;
      if (id === '3') return 'unreachable';
      if (id === '4') return 'sudo-refused';
      return null;
    };
    const report = reportOf(await world.clock.run(act(world, world.machine().process())));
    expect(Object.fromEntries(tries)).toEqual({ 1: 2, 2: 3, 3: 3, 4: 2, 5: 1, 6: 1 });
    expect(report.end).toBe('incomplete');
    expect(report.notCovered.map(({ host, why }) => `${host.name}: ${why}`)).toEqual([
      'h3: unreachable: connect timed out',
      'h4: sudo-refused: sudo-refused on demand',
    ]);
    expect(report.hosts.map(({ host, attempts }) => `${host.name} ${attempts}`)).toEqual([
      'h1 2',
      'h2 3',
      'h3 3',
      'h4 2',
      'h5 1',
      'h6 1',
    ]);
    expect(world.events.filter(({ kind }) => kind === 'lifecycle-answered')).toHaveLength(12);
  });

  it('begins nothing behind the deadline, and a host that takes for ever does not keep the others', async () => {
    const world = lifecycleWorld();
    world.fleet.host('h1').trouble.stopTakesMs = 3_600_000;
    const request = someRequest(world, { deadlineMs: 20_000, timeoutMs: 15_000 });
    const report = reportOf(await world.clock.run(act(world, world.machine().process(), request)));
    expect(report.notCovered.map(({ host, why }) => `${host.name}: ${why}`)).toEqual([
      'h1: timed-out: no answer within 15000 ms',
    ]);
    expect(report.settled).toMatchObject({ stayedDown: 5 });
    expect(world.clock.elapsedMs).toBeLessThan(45_000);
  });

  it('does not say of a host that was silent until the deadline that nobody has tried it', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    const { context, ...process } = world.machine().process();
    const { remote, clock } = context;
    // As SSH does while a host takes the connection and says nothing.
    const silent: typeof remote.run = async (host, job, signal) => {
      if (host.id !== '1' || signal === undefined) return remote.run(host, job, signal);
      await clock.sleep(300_000, signal);
      return { kind: 'no-answer', why: 'cancelled', message: 'h1 (10.0.0.1): cancelled before it began' };
    };
    const request = someRequest(world, { deadlineMs: 4_000 });
    const ended = act(
      world,
      { ...process, context: { ...context, remote: { ...remote, run: silent } } },
      request,
    );
    const report = reportOf(await world.clock.run(ended));
    expect(report.notCovered.map(({ host, why }) => `${host.name}: ${why}`)).toEqual([
      'h1: not reached in 4.0 s, then the deadline came; nothing was begun there',
    ]);
  });

  it('goes on until all are covered where it is told to', async () => {
    const world = lifecycleWorld();
    world.fleet.cutOff.add('1');
    world.clock.after(400_000, () => world.fleet.cutOff.delete('1'));
    const report = reportOf(
      await world.clock.run(act(world, world.machine().process(), someRequest(world, { deadlineMs: null }))),
    );
    expect(report).toMatchObject({ end: 'done', notCovered: [] });
    expect(world.clock.elapsedMs).toBeGreaterThan(400_000);
    expect(namesDown(world)).toHaveLength(6);
  });

  it('does not call a VM that was deleted or switched off a failure', async () => {
    const world = lifecycleWorld();
    world.fleet.deleted.add('1');
    const report = reportOf(await world.clock.run(act(world, world.machine().process())));
    expect(report.end).toBe('done');
    expect(report.hosts[0]).toMatchObject({ host: { name: 'h1' }, outcome: { kind: 'gone' } });
  });

  it('takes nobody for gone whose zone cannot be listed, nor while the cloud is silent', async () => {
    for (const how of ['zone', 'cloud'] as const) {
      const world = lifecycleWorld();
      const machine = world.machine();
      const request = someRequest(world);
      world.fleet.deleted.add('1');
      if (how === 'zone') world.fleet.unknownZones.add(world.fleet.host('h1').host.zone);
      else machine.cloud = 'hangs';
      const report = reportOf(await world.clock.run(act(world, machine.process(), request)));
      expect(report.notCovered.map(({ host }) => host.name)).toEqual(['h1']);
      expect(world.clock.elapsedMs).toBeLessThan(40_000);
    }
  });

  it('leaves a VM alone that was made anew under an old name and address: it is another one', async () => {
    const world = lifecycleWorld({ inCloud: true });
    const request = someRequest(world);
    const old = world.fleet.host('h1').host;
    world.fleet.deleted.add(old.id);
    const fresh = world.fleet.add({ ...old, id: '91' });
    const report = reportOf(await world.clock.run(act(world, world.machine().process(), request)));
    expect(report.hosts[0]).toMatchObject({ host: { id: '1' }, outcome: { kind: 'gone' } });
    expect([fresh.running !== '', fresh.hold]).toEqual([true, null]);
    expect(world.state().holds.has('91')).toBe(false);
  });

  it('finds a VM whose address has changed', async () => {
    const world = lifecycleWorld({ inCloud: true });
    const request = someRequest(world);
    const one = world.fleet.host('h1');
    world.fleet.deleted.add('1');
    const moved = world.fleet.add({ ...one.host, address: '10.9.9.9' });
    world.fleet.deleted.delete('1');
    const report = reportOf(await world.clock.run(act(world, world.machine().process(), request)));
    expect(report.end).toBe('done');
    expect(moved.hold).not.toBeNull();
  });

  it('does not take nonsense for an answer', async () => {
    const world = lifecycleWorld();
    const process = world.machine().process();
    const { remote } = process.context;
    const context = {
      ...process.context,
      remote: {
        ...remote,
        run: (async (host, job, signal) =>
          host.id === '1'
            ? {
                kind: 'answered',
                exitCode: 0,
                steps: [{ step: 'begin', ok: true }, null, 7] as never,
                stderr: '\u001b[2J',
              }
            : remote.run(host, job, signal)) satisfies typeof remote.run,
      },
    };
    const report = reportOf(await world.clock.run(act(world, { ...process, context })));
    expect(report.notCovered.map(({ host }) => host.name)).toEqual(['h1']);
    expect(namesDown(world)).not.toContain('h1');
  });
});

describe('the second look', () => {
  it('stops once more who was started again, and looks once more', async () => {
    const world = lifecycleWorld();
    const chef = world.fleet.host('h2');
    world.clock.after(700, () => chef.startAnyway());
    const report = reportOf(await world.clock.run(act(world, world.machine().process())));
    expect(report).toMatchObject({ end: 'done', settled: { stayedDown: 6, startedAgain: [] } });
    expect(namesDown(world)).toContain('h2');
  });

  it('does not call covered who is started again and again', async () => {
    const world = lifecycleWorld();
    const chef = world.fleet.host('h2');
    const again = (): void => {
      if (chef.running === '') chef.startAnyway();
      if (world.clock.elapsedMs < 60_000) world.clock.after(500, again);
    };
    world.clock.after(400, again);
    const report = reportOf(await world.clock.run(act(world, world.machine().process())));
    expect(report).toMatchObject({
      end: 'incomplete',
      settled: { stayedDown: 5, startedAgain: [{ id: '2', name: 'h2' }] },
    });
    expect(report.notCovered).toMatchObject([
      { host: { name: 'h2' }, why: expect.stringContaining('started again') },
    ]);
    expect(world.bodies('lifecycle-settled')).toMatchObject([
      { stayedDown: 5, startedAgain: [{ name: 'h2' }] },
    ]);
    expect(world.bodies('lifecycle-ended')).toMatchObject([{ covered: 5, notCovered: [{ name: 'h2' }] }]);
  });

  it('does not wait for a host that never answers', async () => {
    const world = lifecycleWorld();
    world.fleet.cutOff.add('1');
    const chef = world.fleet.host('h2');
    world.clock.after(700, () => chef.startAnyway());
    const called = new AbortController();
    const ending = act(
      world,
      world.machine().process(),
      someRequest(world, { deadlineMs: null }),
      called.signal,
    );
    await world.clock.run(Promise.race([ending, world.clock.sleep(6_000)]));
    expect(namesDown(world)).toEqual(['h2', 'h3', 'h4', 'h5', 'h6']);
    expect(world.bodies('lifecycle-settled')).toMatchObject([{ stayedDown: 5, startedAgain: [] }]);
    called.abort();
    const report = reportOf(await world.clock.run(ending));
    expect(report).toMatchObject({
      end: 'interrupted',
      notCovered: [{ host: { name: 'h1' } }],
      settled: { stayedDown: 5, startedAgain: [], unseen: [] },
    });
  });

  it('comes for each once: for those that were slow when they are down', async () => {
    const world = lifecycleWorld();
    world.fleet.host('h3').trouble.stopTakesMs = 9_000;
    const report = reportOf(await world.clock.run(act(world, world.machine().process())));
    expect(report).toMatchObject({ end: 'done', settled: { stayedDown: 6, startedAgain: [], unseen: [] } });
    expect(world.bodies('lifecycle-settled')).toMatchObject([{ stayedDown: 5 }, { stayedDown: 1 }]);
  });

  it('neither hangs nor is left out when the clock is set back', async () => {
    const world = lifecycleWorld();
    const { context, ...process } = world.machine().process();
    const { clock } = context;
    let shift = 0;
    const jumping = { ...clock, now: () => clock.now() + shift, sleep: clock.sleep.bind(clock) };
    world.clock.after(500, () => {
      shift = -3_600_000;
    });
    const began = world.clock.elapsedMs;
    const ended = act(world, { ...process, context: { ...context, clock: jumping } });
    expect(reportOf(await world.clock.run(ended))).toMatchObject({ end: 'done', settled: { stayedDown: 6 } });
    expect(world.clock.elapsedMs - began).toBeLessThan(10_000);
  });

  it('tells apart who could not be seen', async () => {
    const world = lifecycleWorld();
    world.fleet.faults = ({ id, program }) => (id === '3' && program === 'status' ? 'unreachable' : null);
    const report = reportOf(await world.clock.run(act(world, world.machine().process())));
    expect(report).toMatchObject({ end: 'done', settled: { stayedDown: 5, unseen: [{ name: 'h3' }] } });
  });
});

describe('called off', () => {
  it.each([0, 20, 60, 200, 1_000, 2_100, 2_500, 4_000, 9_000])(
    'after %d ms: nothing new begins, what runs ends, all is told',
    async (ms) => {
      const world = lifecycleWorld();
      const machine = world.machine();
      world.fleet.cutOff.add('1');
      world.fleet.host('h2').trouble.stopTakesMs = 3_000;
      const called = new AbortController();
      if (ms === 0) called.abort();
      else world.clock.after(ms, () => called.abort());
      const report = reportOf(
        await world.clock.run(act(world, machine.process(), someRequest(world), called.signal)),
      );
      expect(world.fleet.contacts.filter(({ at }) => at > Date.UTC(2026, 0, 1) + ms)).toEqual([]);
      expect(report.hosts).toHaveLength(6);
      const covered = report.hosts
        .filter(({ outcome }) => outcome.kind === 'proven')
        .map(({ host }) => host.name);
      expect(namesDown(world).filter((name) => covered.includes(name))).toEqual(covered);
      expect(report.notCovered.map(({ host }) => host.name)).toEqual(
        names(world).filter((name) => !covered.includes(name)),
      );
      expect(report).toMatchObject({ end: 'interrupted', record: { kind: 'journal' } });
      if (ms === 0) expect(report.notCovered[0]?.why).toContain('not begun');
      expect(machine.outbox.entries).toEqual([]);
      expect(await world.leases.of(99).holder()).toBeNull();
    },
  );
});

describe('a rollout under way', () => {
  it('is stopped in the middle of a wave, its hosts at work end, and it is found paused', async () => {
    const world = lifecycleWorld({ hosts: someHosts(12) });
    const rollout = begin(world.process());
    await world.clock.run(world.clock.sleep(200));
    const second = (): boolean =>
      world.state().rollout?.phase.kind === 'acting' &&
      [...world.fleet.hosts.values()].some(({ atWork }) => atWork > 0);
    while (!second()) await world.clock.advance(100);
    const report = reportOf(await world.clock.run(act(world, world.machine().process())));
    expect(report).toMatchObject({ end: 'done', rollout: { version: NEW, did: 'paused' } });
    expect(namesDown(world)).toHaveLength(12);
    const end = await world.clock.run(rollout);
    expect(end).toMatchObject({ kind: expect.stringMatching(/failed|held|interrupted/) });
    expect(
      [...world.fleet.hosts.values()].filter(
        ({ atWork, packageState }) => atWork > 0 || packageState !== 'installed',
      ),
    ).toEqual([]);
    expect(namesDown(world)).toHaveLength(12);
    expect(world.rollout().stop).toMatchObject({ kind: 'paused', reason: 'it eats production' });
    const after = world.fleet.contacts.length;
    expect(await world.clock.run(carryOn(world.process(), { mode: 'advance' }))).toMatchObject({
      kind: 'held',
      reason: { code: 'paused' },
    });
    expect(world.fleet.contacts.length).toBe(after);
  });

  it('that is rolling back is left doing so', async () => {
    const world = lifecycleWorld({ behaviour: { cpu: 0.5 } });
    const rollout = begin(world.process());
    while (world.state().rollout?.phase.kind !== 'rolling-back') await world.clock.advance(200);
    const report = reportOf(await world.clock.run(act(world, world.machine().process())));
    expect(report.rollout).toMatchObject({ did: 'left-rolling-back' });
    await world.clock.run(rollout);
    await world.clock.advance(31_000);
    expect(await world.clock.run(carryOn(world.process()))).toMatchObject({ kind: 'finished' });
    expect(world.rollout().phase.kind).toBe('rolled-back');
    expect(namesDown(world)).toHaveLength(6);
  });
});

describe('two who stop at once', () => {
  it('both record what they did, and neither is kept from it by the other', async () => {
    const world = lifecycleWorld({ hosts: someHosts(8) });
    const rollout = begin(world.process());
    await world.clock.run(world.clock.sleep(8_000));
    const [one, two] = [world.machine(), world.machine()];
    const reports = await world.clock.run(
      Promise.all([act(world, one.process()), world.clock.sleep(70).then(() => act(world, two.process()))]),
    );
    for (const report of reports) expect(report).toMatchObject({ end: 'done', record: { kind: 'journal' } });
    expect(world.bodies('lifecycle-ended')).toHaveLength(2);
    expect(
      new Set(
        world.journal.entries
          .filter(({ body }) => body.kind === 'lifecycle-intended')
          .map(({ actor }) => actor.hostname),
      ).size,
    ).toBe(2);
    expect(namesDown(world)).toHaveLength(8);
    expect(world.state().holds.size).toBe(8);
    await world.clock.run(rollout);
    expect(world.rollout().stop).toMatchObject({ kind: 'paused' });
    expect([one.outbox.entries, two.outbox.entries]).toEqual([[], []]);
    expect(verifyChain(world.journal.entries, sha256)).toBeNull();
  });
});

describe('another command on the same machine', () => {
  it('that sends what a stop has just put down leaves the stop nothing to wait for', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    const machine = world.machine();
    machine.outbox.unreadable.push('000001-spoilt.json');
    const other = machine.process().context;
    const ended = new AbortController();
    const sending = (async () => {
      while (!ended.signal.aborted) {
        await sendWaiting(other);
        await world.clock.sleep(1, ended.signal);
      }
    })();
    const began = world.clock.elapsedMs;
    const report = reportOf(await world.clock.run(act(world, machine.process())));
    ended.abort();
    await world.clock.run(sending);
    expect(report).toMatchObject({ end: 'done', record: { kind: 'journal' } });
    // The second look comes after one second; the journal would be given ten more.
    expect(world.clock.elapsedMs - began).toBeLessThan(6_000);
    expect(world.bodies('lifecycle-ended')).toHaveLength(1);
    expect(machine.outbox.entries).toEqual([]);
  });
});

describe('an emergency that lost the lease to another', () => {
  it('has it again once that one is done: nobody calm comes in between', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    const [one, two] = [world.machine(), world.machine()];
    world.fleet.cutOff.add('1');
    const called = new AbortController();
    const long = act(world, one.process(), someRequest(world, { deadlineMs: null }), called.signal);
    await world.clock.run(Promise.race([long, world.clock.sleep(3_000)]));
    const hosts = [world.fleet.host('h2').host];
    await world.clock.run(act(world, two.process(), someRequest(world, { hosts })));
    await world.clock.run(Promise.race([long, world.clock.sleep(15_000)]));
    expect(await world.leases.of(99).holder()).toMatchObject({ actor: { hostname: 'ops-1' } });
    called.abort();
    await world.clock.run(long);
    expect(await world.leases.of(99).holder()).toBeNull();
    expect(world.bodies('lifecycle-ended')).toHaveLength(2);
  });
});

describe('killed', () => {
  it('at every port call, and typed again: all are down, and every entry is somewhere', {
    timeout: 60_000,
  }, async () => {
    const make = (): LifecycleWorld => lifecycleWorld({ hosts: someHosts(3) });
    const calm = make();
    const whole = calm.machine().process();
    await calm.clock.run(act(calm, whole));
    expect(whole.calls()).toBeGreaterThan(15);
    for (let at = 1; at <= whole.calls(); at += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = make();
        const machine = world.machine();
        let killedIn = '';
        const killed = machine.process((call, count) => {
          if (count !== at) return null;
          killedIn = `${when} call ${at}, ${call}`;
          return when;
        });
        await world.clock.run(act(world, killed));
        await world.clock.advance(5_000);
        const report = reportOf(await world.clock.run(act(world, machine.process())));
        expect({ killedIn, end: report.end, record: report.record.kind, down: namesDown(world) }).toEqual({
          killedIn,
          end: 'done',
          record: 'journal',
          down: ['h1', 'h2', 'h3'],
        });
        expect({ killedIn, left: machine.outbox.entries }).toEqual({ killedIn, left: [] });
        expect({ killedIn, broken: verifyChain(world.journal.entries, sha256) }).toEqual({
          killedIn,
          broken: null,
        });
        expect({ killedIn, holds: world.state().holds.size }).toEqual({ killedIn, holds: 3 });
      }
    }
  });
});
