/** What may go from one environment to the next. */
import { describe, expect, it } from 'vitest';
import { preparePlan } from '../../src/engine/prepare-plan.ts';
import { provenBefore } from '../../src/engine/start-rollout.ts';
import { simClock } from '../fakes/sim-clock.ts';
import { ask, begin, carryOn, makeWorld, NEW, OLD, someHosts, type World } from './world.ts';

function pair(): { gstg: World; gprd: World } {
  const clock = simClock();
  const hosts = someHosts(4);
  return {
    gstg: makeWorld({ clock, hosts }),
    gprd: makeWorld({ clock, hosts, name: 'gprd', promotesFrom: 'gstg' }),
  };
}

const proven = ({ gstg, gprd }: { gstg: World; gprd: World }) =>
  provenBefore(gprd.process().context, gstg.process().context);

describe('a promotion', () => {
  it('is refused before the predecessor has proven anything, and while it bakes', async () => {
    const worlds = pair();
    expect(await proven(worlds)).toMatchObject({ ok: false, error: { code: 'no-receipt', exit: 'held' } });
    const run = begin(worlds.gstg.process());
    await worlds.gstg.clock.run(Promise.race([run, worlds.gstg.clock.sleep(60_000)]));
    expect(await proven(worlds)).toMatchObject({ ok: false, error: { code: 'predecessor-busy' } });
  });

  it('goes with the receipt, with the environment’s own digest', async () => {
    const worlds = pair();
    await worlds.gstg.clock.run(begin(worlds.gstg.process()));
    const receipt = await proven(worlds);
    if (!receipt.ok) throw new Error(receipt.error.message);
    const end = await worlds.gprd.clock.run(
      begin(worlds.gprd.process(), {
        kind: 'promote',
        version: receipt.value.version,
        receipt: receipt.value,
      }),
    );
    expect(end).toMatchObject({ kind: 'finished' });
    expect(worlds.gprd.artifacts.fresh.sha256).not.toBe(worlds.gstg.artifacts.fresh.sha256);
    expect(worlds.gprd.state().pin).toEqual({
      version: NEW,
      digests: { amd64: worlds.gprd.artifacts.fresh.sha256 },
    });
    expect(worlds.gprd.bodies('rollout-planned')[0]?.receipt).toEqual(receipt.value);
  });

  it('is refused once the predecessor has gone back from that version', async () => {
    const worlds = pair();
    const { gstg } = worlds;
    await gstg.clock.run(begin(gstg.process()));
    expect(await gstg.clock.run(begin(gstg.process(), { kind: 'rollback', version: OLD }))).toMatchObject({
      kind: 'finished',
    });
    expect(new Set(Object.values(gstg.running()))).toEqual(new Set([OLD]));
    expect(await proven(worlds)).toMatchObject({ ok: false, error: { code: 'no-receipt' } });
  });

  it('is refused after a rollback, and its digest stays in quarantine', async () => {
    const worlds = pair();
    const { gstg } = worlds;
    await gstg.clock.run(begin(gstg.process()));
    await ask(gstg, 'rollback');
    await gstg.clock.run(carryOn(gstg.process()));
    expect(await proven(worlds)).toMatchObject({ ok: false, error: { code: 'no-receipt' } });
    expect(await gstg.clock.run(begin(gstg.process()))).toMatchObject({
      refusals: [{ code: 'quarantined' }],
    });
  });

  it('is refused for a version that was rolled back before, though its own file has another digest', async () => {
    const worlds = pair();
    const { gstg, gprd } = worlds;
    await gstg.clock.run(begin(gstg.process()));
    await ask(gstg, 'rollback');
    await gstg.clock.run(carryOn(gstg.process()));
    const line = [gstg.process().context, gprd.process().context];
    const override = { kind: 'promote', override: 'the vendor swears by it', line } as const;
    const end = await gprd.clock.run(begin(gprd.process(), override));
    expect(end).toMatchObject({ kind: 'refused', refusals: [{ code: 'quarantined' }] });
    expect(gprd.kinds()).toEqual([]);
  });

  it('does not begin once the predecessor has gone back while it was being planned and confirmed', async () => {
    const worlds = pair();
    const { gstg, gprd } = worlds;
    await gstg.clock.run(begin(gstg.process()));
    const receipt = await proven(worlds);
    if (!receipt.ok) throw new Error(receipt.error.message);
    const slow = gprd.process();
    const { lease } = slow.context;
    const context = {
      ...slow.context,
      lease: {
        ...lease,
        acquire: async (...how: Parameters<typeof lease.acquire>) => {
          // The time in which somebody reads the plan.
          expect(await begin(gstg.process(), { kind: 'rollback', version: OLD })).toMatchObject({
            kind: 'finished',
          });
          return lease.acquire(...how);
        },
      },
    };
    const end = await gprd.clock.run(
      begin(
        { ...slow, context },
        { kind: 'promote', receipt: receipt.value, line: [gstg.process().context, context] },
      ),
    );
    expect(end).toMatchObject({ kind: 'refused', refusals: [{ code: 'no-receipt' }] });
    expect(gprd.bodies('rollout-planned')).toHaveLength(0);
  });

  it('does not begin with a digest that was quarantined while it was being planned', async () => {
    const world = makeWorld({ hosts: someHosts(4), behaviour: { startFails: true } });
    const slow = world.process();
    const acquire = slow.context.lease.acquire.bind(slow.context.lease);
    const waiting = {
      ...slow,
      context: {
        ...slow.context,
        lease: {
          ...slow.context.lease,
          acquire: async (...how: Parameters<typeof acquire>) => {
            await world.clock.sleep(120_000);
            return acquire(...how);
          },
        },
      },
    };
    const [, second] = await world.clock.run(Promise.all([begin(world.process()), begin(waiting)]));
    expect(world.rollout().phase.kind).toBe('rolled-back');
    expect(second).toMatchObject({ kind: 'refused', refusals: [{ code: 'quarantined' }] });
    expect(world.bodies('rollout-planned')).toHaveLength(1);
  });
});

describe('a fleet in which nobody must have the agent', () => {
  it('is not deployed to: a slip in targeting.include would move the pin to what no host has ever run', async () => {
    const { gstg } = pair();
    const { context } = gstg.process();
    const targeting = { ...context.environment.targeting, include: 'role == "wbe"' };
    const prepared = await gstg.clock.run(
      preparePlan(
        { ...context, environment: { ...context.environment, targeting } },
        { version: NEW, quarantine: [] },
      ),
    );
    if (!prepared.ok) throw new Error(prepared.error.message);
    expect(prepared.value.blockers).toMatchObject([
      { code: 'no-hosts', exit: 'held', message: expect.stringContaining('role == "wbe"') as string },
    ]);
  });
});

describe('a plan that a person thinks over', () => {
  it('is not carried out once another rollout has run: hosts, way back and pin are no longer what it says', async () => {
    const { gstg } = pair();
    const thinking = gstg.process();
    const { lease } = thinking.context;
    const slow: typeof thinking = {
      ...thinking,
      context: {
        ...thinking.context,
        lease: {
          ...lease,
          acquire: async (actor, how) => {
            // The plan is confirmed a day later.
            await gstg.clock.sleep(86_400_000);
            return lease.acquire(actor, how);
          },
        },
      },
    };
    const late = begin(slow);
    expect(await gstg.clock.run(begin(gstg.process()))).toMatchObject({ kind: 'finished' });
    expect(await gstg.clock.run(late)).toMatchObject({
      kind: 'refused',
      refusals: [{ code: 'plan-outdated', exit: 'held' }],
    });
    expect(gstg.bodies('rollout-planned')).toHaveLength(1);
  });
});
