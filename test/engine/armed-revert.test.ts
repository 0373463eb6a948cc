/** Hosts that go back by themselves unless they hear from a rollout: told to wait on, confirmed, found back, changed again. */
import { describe, expect, it } from 'vitest';
import { goingBackWords } from '../../src/domain/armed.ts';
import type { ArmedRevertPolicy } from '../../src/domain/policy.ts';
import { inTheWay } from '../../src/engine/start-rollout.ts';
import { readStatus } from '../../src/engine/status.ts';
import { checkJournal } from './journal-checks.ts';
import { ask, begin, carryOn, makeWorld, NEW, OLD, someHosts, type World } from './world.ts';

const timer = (afterMs: number, more: Partial<ArmedRevertPolicy> = {}) => ({
  armedRevert: { afterMs, disarm: 'after-soak' as const, ...more },
});

function small(afterMs: number, more: Partial<ArmedRevertPolicy> = {}, policy: object = {}): World {
  return makeWorld({ hosts: someHosts(4), policy: { ...timer(afterMs, more), ...policy } });
}

function actions(world: World): string[] {
  return world.bodies('hosts-intended').map(({ action }) => action);
}

function pending(world: World): string[] {
  return [...world.fleet.hosts.values()].filter(({ armed }) => armed.isPending).map(({ host }) => host.name);
}

/** Runs until the first wave is watched, then stops. */
async function untilSoak(world: World, start: Parameters<typeof begin>[1] = {}): Promise<void> {
  const process = world.process();
  const look = (): void => {
    if (world.state().rollout?.phase.kind === 'soaking') process.die();
    else world.clock.after(500, look);
  };
  look();
  await world.clock.run(begin(process, start));
}

describe('an armed host', () => {
  it('is told what it needs: how long, who calls it off, its guard, the database', async () => {
    const world = small(600_000, { guard: { cpuQuotaPercent: 20 } }, { database: 'move-aside' });
    await world.clock.run(begin(world.process()));
    const orders = world.fleet.contacts.map(({ order }) => order);
    const upgrade = orders.find(({ program }) => program === 'upgrade');
    expect(upgrade).toMatchObject({
      arm: { revertAfterS: 600, disarm: 'after-soak', guardCpuPercent: 20 },
      database: { policy: 'move-aside', path: '/var/osquery/osquery.db' },
    });
    expect(world.rollout().phase.kind).toBe('done');
    expect(pending(world)).toEqual([]);
  });

  it('is told to wait on while the rollout goes on, and confirmed before its wave passes', async () => {
    const world = small(40_000);
    expect(await world.clock.run(begin(world.process()))).toMatchObject({ kind: 'finished' });
    expect(world.rollout().phase.kind).toBe('done');
    expect([...world.fleet.hosts.values()].flatMap(({ returns }) => returns)).toEqual([]);
    expect(actions(world)).toContain('renew');
    const kinds = world.journal.entries.map(({ body }) =>
      body.kind === 'hosts-intended' ? body.action : body.kind,
    );
    expect(kinds.lastIndexOf('confirm', kinds.indexOf('wave-passed'))).toBeGreaterThan(0);
    expect(checkJournal(world.journal.entries)).toEqual([]);
  });

  it('of a playbook that says so is told with its proof, and not again', async () => {
    const world = small(600_000, { disarm: 'after-proof' });
    await world.clock.run(begin(world.process()));
    expect(world.rollout().phase.kind).toBe('done');
    expect(new Set(actions(world))).toEqual(new Set(['upgrade', 'prove']));
  });

  it('is not armed by a rollback to a version, which is itself the way back, nor by an older journal’s policy', async () => {
    const world = small(600_000);
    await world.clock.run(begin(world.process()));
    await world.clock.run(begin(world.process(), { kind: 'rollback', version: OLD }));
    const last = world.fleet.contacts.findLast(({ program }) => program === 'upgrade');
    expect(last?.order).not.toHaveProperty('arm');
    const older = makeWorld();
    await older.clock.run(begin(older.process()));
    expect(older.fleet.contacts.filter(({ order }) => 'arm' in order || 'database' in order)).toEqual([]);
  });
});

describe('nobody comes for longer than a host waits', () => {
  it('the host is back on its version, is found so, is not the version’s failure, and its wave begins again', async () => {
    const world = small(120_000);
    await untilSoak(world);
    await world.clock.advance(600_000);
    expect(new Set(Object.values(world.running()))).toEqual(new Set([OLD]));
    const ended = await world.clock.run(carryOn(world.process()));
    expect(ended).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    expect(new Set(Object.values(world.running()))).toEqual(new Set([NEW]));
    const again = world.bodies('wave-started').find(({ wentBack }) => wentBack !== undefined);
    expect(again).toMatchObject({ wave: 0 });
    expect(world.bodies('rollback-started')).toEqual([]);
    expect(checkJournal(world.journal.entries)).toEqual([]);
  });

  it('a rollback takes it for put back', async () => {
    const world = small(120_000);
    await untilSoak(world);
    await world.clock.advance(600_000);
    await ask(world, 'rollback');
    expect(await world.clock.run(carryOn(world.process()))).toMatchObject({
      reason: { code: 'rolled-back' },
    });
    expect(pending(world)).toEqual([]);
    expect(world.state().quarantine.length).toBeGreaterThan(0);
  });

  it('three times: the rollout halts and says why, and goes on when a person says so', async () => {
    const world = small(120_000);
    await untilSoak(world);
    for (let times = 0; times < 3; times += 1) {
      await world.clock.advance(600_000);
      const process = world.process();
      const look = (): void => {
        const again = world.bodies('wave-started').filter(({ wentBack }) => wentBack !== undefined).length;
        if (again > times && world.rollout().phase.kind === 'soaking') process.die();
        else if (process.isAlive()) world.clock.after(500, look);
      };
      look();
      await world.clock.run(Promise.race([carryOn(process), process.death]));
      process.die();
    }
    expect(world.rollout().stop).toMatchObject({ kind: 'halted', code: 'hosts-go-back' });
    const status = await readStatus(world.process().context);
    expect(status).toMatchObject({ value: { next: 'rollout resume gstg, or rollout rollback gstg' } });
    await ask(world, 'resume');
    await world.clock.advance(35_000);
    expect(await world.clock.run(carryOn(world.process()))).toMatchObject({ reason: { code: 'done' } });
  });
});

describe('a pause', () => {
  it('says until when the hosts wait, keeps nobody from going back, and judges nobody who may have', async () => {
    const world = small(120_000);
    await untilSoak(world);
    await ask(world, 'pause');
    const status = await readStatus(world.process().context);
    expect(status).toMatchObject({
      value: {
        reason: { code: 'paused', message: expect.stringContaining('back by themselves') },
        goesBack: { hosts: 2 },
      },
    });
    await world.clock.advance(35_000);
    await world.clock.run(carryOn(world.process(), { mode: 'advance' }));
    expect(actions(world)).not.toContain('renew');
    await world.clock.advance(600_000);
    const judged = world.bodies('judged').length;
    await world.clock.run(carryOn(world.process(), { mode: 'advance' }));
    expect(world.bodies('judged').length).toBe(judged);
    await ask(world, 'resume');
    expect(await world.clock.run(carryOn(world.process()))).toMatchObject({ reason: { code: 'done' } });
  });
});

describe('a host that cannot be told that the version stays', () => {
  it('holds the wave, goes back at its time, and is found and changed again', async () => {
    const world = small(300_000);
    // From the canary's confirmation on, for as long as the host waits.
    let isCut = false;
    world.fleet.onContact = ({ id, program }) => {
      if (program !== 'confirm' || id !== '1' || isCut) return;
      isCut = true;
      world.fleet.cutOff.add('1');
      world.clock.after(400_000, () => world.fleet.cutOff.delete('1'));
    };
    const held = await world.clock.run(carryOnUntilHeld(world));
    expect(held).toMatchObject({ kind: 'held', reason: { code: 'hosts-out-of-reach' } });
    expect(world.bodies('wave-passed')).toEqual([]);
    await world.clock.advance(500_000);
    expect(await world.clock.run(carryOn(world.process()))).toMatchObject({ reason: { code: 'done' } });
    expect(world.bodies('wave-started').some(({ wentBack }) => wentBack?.includes('1'))).toBe(true);
    expect(checkJournal(world.journal.entries)).toEqual([]);
  });
});

function carryOnUntilHeld(world: World) {
  return begin(world.process(), {}, { holdLimitMs: 70_000 });
}

describe('an abort', () => {
  it('is told to the armed hosts by whoever comes next, and they stay', async () => {
    const world = small(600_000);
    await untilSoak(world);
    await ask(world, 'abort');
    expect(goingBackWords(world.rollout(), world.clock.now())).toContain(
      '2 hosts (h2, h1) go back by themselves',
    );
    expect(await readStatus(world.process().context)).toMatchObject({
      value: { reason: { code: 'abort-untold' }, next: expect.stringContaining('rollout advance gstg') },
    });
    await world.clock.advance(35_000);
    expect(await world.clock.run(carryOn(world.process()))).toMatchObject({ reason: { code: 'aborted' } });
    await world.clock.advance(1_200_000);
    expect(world.running()).toMatchObject({ h1: NEW, h2: NEW, h3: OLD });
    expect(await world.clock.run(carryOn(world.process()))).toEqual({ kind: 'nothing-to-run' });
  });

  it('that nobody comes after leaves them to go back', async () => {
    const world = small(600_000);
    await untilSoak(world);
    await ask(world, 'abort');
    await world.clock.advance(1_200_000);
    expect(new Set(Object.values(world.running()))).toEqual(new Set([OLD]));
    expect(await world.clock.run(carryOn(world.process()))).toEqual({ kind: 'nothing-to-run' });
  });

  it('that nobody came after is not said to have left the version where it may be gone, nor is a rollout under way', async () => {
    const world = small(600_000);
    await untilSoak(world);
    const refused = () =>
      inTheWay(world.state(), { kind: 'deploy', version: '9.9.9' }, world.process().context);
    expect(refused()).not.toMatchObject({ message: expect.stringContaining('may have gone back') });
    await world.clock.advance(1_200_000);
    const told = expect.stringContaining('2 of its hosts may have gone back by themselves since');
    expect(refused()).toMatchObject({ code: 'rollout-under-way', message: told });
    await ask(world, 'abort');
    const details = ['h2: may have gone back by itself', 'h1: may have gone back by itself'];
    expect(refused()).toMatchObject({ code: 'aborted-remains', message: told, details });
  });
});

describe('a canary', () => {
  it('that is kept is confirmed, one that is put back is not', async () => {
    for (const keep of [true, false]) {
      const world = small(600_000);
      await world.clock.run(begin(world.process(), { kind: 'canary', keep }));
      expect([keep, actions(world).includes('confirm'), pending(world)]).toEqual([keep, keep, []]);
    }
  });
});
