/** The package is not taken away beneath a rollout that counts on it, and where a hand has done so, that is named. */
import { describe, expect, it } from 'vitest';
import { runLifecycle } from '../../../src/engine/run-lifecycle.ts';
import { ask, begin, carryOn, someHosts } from '../world.ts';
import { type LifecycleWorld, lifecycleWorld, someRequest } from './lifecycle-world.ts';

const phase = (world: LifecycleWorld): string => world.state().rollout?.phase.kind ?? 'none';

/** Until it is in that phase and nobody holds the lease. */
async function reach(world: LifecycleWorld, wanted: string): Promise<void> {
  await world.clock.run(begin(world.process(), {}, { mode: 'advance' }));
  for (let round = 0; round < 200 && phase(world) !== wanted; round += 1) {
    await world.clock.advance(2_000);
    const stop = new AbortController();
    const tellStop = (): void => {
      if (phase(world) === wanted) stop.abort();
    };
    world.onDurable = tellStop;
    await world.clock.run(carryOn(world.process(), { mode: 'advance', signal: stop.signal }));
    world.onDurable = null;
  }
  expect(phase(world)).toBe(wanted);
  expect(await world.leases.of(99).holder()).toBeNull();
}

async function refusal(world: LifecycleWorld, verb: 'remove' | 'purge' | 'install'): Promise<unknown> {
  const request = someRequest(world, { verb });
  const ended = await world.clock.run(
    runLifecycle(world.machine().process().context, request, new AbortController().signal),
  );
  return ended.ok ? ended.value.end : [ended.error.exit, ended.error.code];
}

const REFUSED = ['held', 'rollout-under-way'];

describe.each(['remove', 'purge', 'install'] as const)('%s', (verb) => {
  it.each(['planned', 'soaking', 'passed', 'baking', 'rolling-back', 'rollback-incomplete'])(
    'is refused while a rollout is %s, also where nobody has the lease',
    async (wanted) => {
      const world = lifecycleWorld({
        policy: { approval: wanted === 'passed' ? 'after-canary' : 'none' },
        behaviour: wanted.startsWith('roll') ? { cpu: 0.5 } : {},
      });
      if (wanted === 'planned')
        world.freeze.push({ from: 0, until: world.clock.now() + 1e9, reason: 'a feast' });
      if (wanted === 'rollback-incomplete')
        world.fleet.faults = ({ program }) => (program === 'revert' ? 'unreachable' : null);
      await reach(world, wanted);
      const before = world.fleet.contacts.length;
      expect(await refusal(world, verb)).toEqual(REFUSED);
      expect(world.fleet.contacts.length).toBe(before);
      expect(world.bodies('lifecycle-intended')).toEqual([]);
    },
  );

  it('is refused of one that is done and is to be rolled back', async () => {
    const world = lifecycleWorld({ hosts: someHosts(2) });
    await world.clock.run(begin(world.process()));
    await ask(world, 'rollback');
    expect(await refusal(world, verb)).toEqual(REFUSED);
  });
});

it.each(['soaking', 'baking'])(
  'so it is of a host that has the version while the rollout is %s',
  async (wanted) => {
    const world = lifecycleWorld();
    await reach(world, wanted);
    const proven = [...world.rollout().hosts.values()].find(({ state }) => state === 'verified');
    if (proven === undefined) throw new Error('nobody is proven');
    const host = world.fleet.host(proven.host.name);
    host.stop();
    host.packageState = 'absent';
    const end = await world.clock.run(carryOn(world.process(), { holdLimitMs: 120_000 }));
    expect(world.kinds()).not.toContain('rollback-started');
    expect(end).toMatchObject({ kind: 'held', reason: { code: 'hosts-out-of-reach' } });
    if (end === 'killed' || end.kind !== 'held') return;
    expect(end.reason.message).toContain(`${host.host.name} (drifted: osquery is not installed any more`);
    // A hand that puts it back is all that is needed.
    host.packageState = 'installed';
    host.start();
    expect(await world.clock.run(carryOn(world.process()))).toMatchObject({ reason: { code: 'done' } });
  },
);

it('a package that a hand has removed in the middle of a rollout is named as drift, and blames nothing', async () => {
  const world = lifecycleWorld();
  await reach(world, 'soaking');
  const untouched = [...world.rollout().hosts.values()].find(({ state }) => state === 'pending');
  if (untouched === undefined) throw new Error('nobody is left');
  const host = world.fleet.host(untouched.host.name);
  host.stop();
  host.packageState = 'absent';
  const end = await world.clock.run(carryOn(world.process(), { holdLimitMs: 120_000 }));
  expect(end).toMatchObject({ kind: 'held', reason: { code: 'hosts-out-of-reach' } });
  if (end === 'killed' || end.kind !== 'held') return;
  expect(end.reason.message).toContain(`${host.host.name} (drifted:`);
  expect(world.kinds()).not.toContain('rollback-started');
});
