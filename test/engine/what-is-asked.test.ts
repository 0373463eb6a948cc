/** What is told to a person, and to a host, is what it means. */
import { describe, expect, it } from 'vitest';
import { simClock } from '../fakes/sim-clock.ts';
import { ask, begin, carryOn, makeWorld, someHosts, type World } from './world.ts';

async function rollingBack(): Promise<{ world: World; run: Promise<unknown> }> {
  const world = makeWorld({ behaviour: { startFails: true } });
  // The way back of one host is barred, so that the rollback takes its time.
  world.fleet.faults = ({ program }) => (program === 'revert' ? 'unreachable' : null);
  const run = begin(world.process());
  for (let i = 0; i < 100 && !world.kinds().includes('rollback-started'); i += 1)
    await world.clock.run(Promise.race([run, world.clock.sleep(1_000)]));
  expect(world.rollout().phase.kind).toBe('rolling-back');
  return { world, run };
}

describe('a pause', () => {
  it('is refused on the way back, which it would not stop', async () => {
    const { world, run } = await rollingBack();
    expect(await ask(world, 'pause')).toMatchObject({ ok: false, error: { code: 'rolling-back' } });
    expect(world.kinds()).not.toContain('pause-requested');
    world.fleet.faults = null;
    expect(await world.clock.run(run)).toMatchObject({ reason: { code: 'rolled-back' } });
  });
});

describe('an order', () => {
  it('of another journal is another order, though the rollouts have one name: what the host remembers is not mixed up', async () => {
    const clock = simClock();
    const ids: Set<string>[] = [];
    const names: string[] = [];
    for (let journal = 0; journal < 2; journal += 1) {
      const world = makeWorld({ clock, hosts: someHosts(2) });
      await clock.run(begin(world.process()));
      names.push(world.rollout().id);
      ids.push(
        new Set(world.fleet.contacts.flatMap(({ order }) => ('orderId' in order ? [order.orderId] : []))),
      );
    }
    expect(new Set(names).size).toBe(1);
    // One a rollout, so that a repeated order finds what the first one remembered.
    expect(ids.map((each) => each.size)).toEqual([1, 1]);
    expect([...(ids[0] ?? [])]).not.toEqual([...(ids[1] ?? [])]);
  });

  it('keeps its name when another process carries the rollout on', async () => {
    const world = makeWorld({ hosts: someHosts(4) });
    const first = world.process((call) => (call === 'remote.upgrade' ? 'after' : null));
    expect(await world.clock.run(begin(first))).toBe('killed');
    await world.clock.advance(60_000);
    await world.clock.run(carryOn(world.process()));
    const ids = world.fleet.contacts.flatMap(({ order }) => ('orderId' in order ? [order.orderId] : []));
    expect(new Set(ids).size).toBe(1);
  });
});
