/**
 * Killed at every port call, before it and after it, then run again with nothing but the journal and the hosts: the same
 * end as without the kill.
 */
import { describe, expect, it } from 'vitest';
import { isFinished } from '../../src/domain/fold.ts';
import { checkJournal } from './journal-checks.ts';
import { ask, begin, carryOn, type KillPlan, makeWorld, someHosts, somePolicy, type World } from './world.ts';

interface Scenario {
  readonly name: string;
  readonly make: () => World;
  readonly end: string;
}

const armed = (afterMs: number) => ({ afterMs, disarm: 'after-soak' }) as const;

const small = { hosts: someHosts(4), policy: { soakMs: 10_000, bakeMs: 15_000 } } as const;

const scenarios: readonly Scenario[] = [
  { name: 'a good version', make: () => makeWorld(small), end: 'done' },
  {
    name: 'a version that burns CPU',
    make: () => makeWorld({ ...small, behaviour: { cpu: 0.5 } }),
    end: 'rolled-back',
  },
  {
    name: 'one host that fails where one may',
    make: () =>
      makeWorld({
        ...small,
        behaviour: { startFails: true, only: (host) => host === 'h4' },
        policy: { ...small.policy, limits: { ...somePolicy.limits, failedHosts: 1 } },
      }),
    end: 'done',
  },
  {
    name: 'hosts that go back by themselves after ten minutes',
    make: () => makeWorld({ ...small, policy: { ...small.policy, armedRevert: armed(600_000) } }),
    end: 'done',
  },
  {
    // The pause between two processes is 31 seconds: whoever was not told to wait on before the kill has gone back by then.
    name: 'hosts that go back by themselves before anybody comes again',
    make: () => makeWorld({ ...small, policy: { ...small.policy, armedRevert: armed(40_000) } }),
    end: 'done',
  },
  {
    name: 'a rollback that an operator asks for in the bake',
    make: () => {
      const world = makeWorld(small);
      const look = (): void => {
        if (world.state().rollout?.phase.kind === 'baking') void ask(world, 'rollback');
        else if (world.clock.elapsedMs < 1_000_000) world.clock.after(1_000, look);
      };
      look();
      return world;
    },
    end: 'rolled-back',
  },
  {
    name: 'a VM that is born and one that is made anew while it goes on',
    make: () => {
      const world = makeWorld(small);
      const look = (): void => {
        if (world.state().rollout?.phase.kind !== 'acting') {
          if (world.clock.elapsedMs < 1_000_000) world.clock.after(500, look);
          return;
        }
        const [like] = someHosts(1);
        if (like === undefined) return;
        world.fleet.add({ ...like, id: '91', name: 'h91' });
        world.fleet.deleted.add('4');
        world.fleet.add({ ...like, id: '92', name: 'h4' });
      };
      look();
      return world;
    },
    end: 'done',
  },
];

/** Runs with a kill, then until the end; returns how many port calls the killed process made. */
async function live(world: World, plan?: KillPlan): Promise<number> {
  const first = world.process(plan);
  await world.clock.run(begin(first));
  for (let round = 0; round < 20; round += 1) {
    const { rollout } = world.state();
    if (rollout !== null && isFinished(rollout)) break;
    await world.clock.advance(31_000);
    await world.clock.run(rollout === null ? begin(world.process()) : carryOn(world.process()));
  }
  return first.calls();
}

function conclusion(world: World) {
  const { rollout, pin, quarantine, receipts } = world.state();
  return {
    phase: rollout?.phase.kind,
    hosts: [...(rollout?.hosts.values() ?? [])]
      .map(({ host, state, touched }) => `${host.name} ${host.id} ${state} ${touched}`)
      .sort(),
    running: world.running(),
    armed: [...world.fleet.hosts.values()]
      .filter((host) => host.armed.isPending)
      .map(({ host }) => host.name),
    pin: pin?.version,
    quarantine: quarantine.map(({ sha256 }) => sha256),
    receipts: receipts.map(({ version, hosts }) => ({ version, hosts })),
  };
}

describe.each(scenarios)('killed in $name', ({ make, end }) => {
  it('before or after any port call: the same end', { timeout: 120_000 }, async () => {
    const calm = make();
    const calls = await live(calm);
    const expected = conclusion(calm);
    expect(expected.phase).toBe(end);
    expect(calls).toBeGreaterThan(30);
    for (let at = 1; at <= calls; at += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = make();
        let killedIn = '';
        await live(world, (call, count) => {
          if (count !== at) return null;
          killedIn = `killed ${when} call ${at}, ${call}`;
          return when;
        });
        expect({ killedIn, ...conclusion(world) }).toEqual({ killedIn, ...expected });
        expect({ killedIn, wrong: checkJournal(world.journal.entries) }).toEqual({ killedIn, wrong: [] });
      }
    }
  });

  it('while hosts are at work: the same end', { timeout: 120_000 }, async () => {
    const calm = make();
    await live(calm);
    const expected = conclusion(calm);
    for (let ms = 100; ms < 60_000; ms += 700) {
      const world = make();
      const first = world.process();
      world.clock.after(ms, first.die);
      await world.clock.run(begin(first));
      await live(world);
      const killedIn = `killed after ${ms} ms`;
      expect({ killedIn, ...conclusion(world) }).toEqual({ killedIn, ...expected });
      expect({ killedIn, wrong: checkJournal(world.journal.entries) }).toEqual({ killedIn, wrong: [] });
    }
  });
});

describe('a journal that does not answer', () => {
  it.each(['unavailable', 'lost-reply'] as const)('%s at any one append: the same end', async (kind) => {
    const calm = makeWorld(small);
    await live(calm);
    const expected = conclusion(calm);
    for (let seq = 1; seq <= calm.journal.entries.length; seq += 1) {
      const world = makeWorld(small);
      let shown = false;
      world.journal.failBy((call) => {
        if (shown || call.on !== 'append' || call.entry.seq !== seq) return undefined;
        shown = true;
        return { on: 'append', kind };
      });
      await live(world);
      expect({ seq, ...conclusion(world) }).toEqual({ seq, ...expected });
      expect({ seq, wrong: checkJournal(world.journal.entries) }).toEqual({ seq, wrong: [] });
    }
  });

  it('is altered: nothing more is done', async () => {
    const world = makeWorld(small);
    const stop = new AbortController();
    world.clock.after(20_000, () => stop.abort());
    await world.clock.run(begin(world.process(), {}, { signal: stop.signal }));
    const third = world.journal.entries[2];
    world.journal.overwrite(3, { ...third, reason: 'forged' });
    const contacts = world.fleet.contacts.length;
    const length = world.journal.entries.length;
    const end = await world.clock.run(carryOn(world.process()));
    expect(end).toMatchObject({ kind: 'failed', message: expect.stringContaining('not whole') });
    expect([world.fleet.contacts.length, world.journal.entries.length]).toEqual([contacts, length]);
  });
});

describe('two runners at once', () => {
  it('the second is told who has the lease', async () => {
    const world = makeWorld(small);
    const [first, second] = await world.clock.run(
      Promise.all([begin(world.process()), world.clock.sleep(5_000).then(() => carryOn(world.process()))]),
    );
    expect(first).toMatchObject({ kind: 'finished' });
    expect(second).toMatchObject({ kind: 'locked', holder: { actor: { user: 'ada' } } });
  });

  it('one whose lease was taken writes nothing more and begins no host', async () => {
    const world = makeWorld(small);
    const old = world.process();
    const running = begin(old);
    await world.clock.run(Promise.race([running, world.clock.sleep(12_000)]));
    world.leases.kill(old.pid);
    const fresh = world.process();
    const [first, second] = await world.clock.run(Promise.all([running, carryOn(fresh)]));
    expect(first).toMatchObject({ kind: expect.stringMatching(/failed|interrupted/) });
    expect(second).toMatchObject({ kind: 'finished' });
    const taken = world.journal.entries.findLast((entry) => entry.body.kind === 'lease-taken');
    expect(
      world.fleet.contacts.filter(({ process, at }) => process === old.pid && at > (taken?.at ?? 0)),
    ).toEqual([]);
    expect(checkJournal(world.journal.entries)).toEqual([]);
  });
});
