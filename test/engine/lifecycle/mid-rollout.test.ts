/** What people do to agents while a version is being rolled out is never held against the version, nor taken for its proof. */
import { describe, expect, it } from 'vitest';
import type { RolloutPolicy } from '../../../src/domain/policy.ts';
import type { LifecycleReport, LifecycleRequest } from '../../../src/engine/lifecycle-types.ts';
import { checkJournal } from '../journal-checks.ts';
import { ask, begin, carryOn, type Ended, NEW } from '../world.ts';
import { GATES } from './blame.ts';
import { act, type LifecycleWorld, lifecycleWorld, reportOf, someRequest } from './lifecycle-world.ts';

function aWorld(
  policy: Partial<RolloutPolicy> = {},
  more: Parameters<typeof lifecycleWorld>[0] = {},
): LifecycleWorld {
  return lifecycleWorld({ ...more, policy: { gates: GATES, ...policy } });
}

const phaseOf = (world: LifecycleWorld): string => {
  const phase = world.state().rollout?.phase;
  return phase === undefined ? 'none' : 'wave' in phase ? `${phase.kind} ${phase.wave}` : phase.kind;
};

/** `advance` every few seconds, as a CI schedule would, until it is so, has ended, or so much time is over. */
async function advanceUntil(world: LifecycleWorld, is: () => boolean, ms = 400_000): Promise<Ended> {
  let end: Ended = { kind: 'nothing-to-run' };
  for (const from = world.clock.elapsedMs; world.clock.elapsedMs - from < ms && !is(); ) {
    end = await world.clock.run(
      world.state().rollout === null
        ? begin(world.process(), {}, { mode: 'advance' })
        : carryOn(world.process(), { mode: 'advance' }),
    );
    if (end !== 'killed' && end.kind === 'finished') break;
    if (!is()) await world.clock.advance(5_000);
  }
  return end;
}

const reach = (world: LifecycleWorld, phase: string): Promise<Ended> =>
  advanceUntil(world, () => phaseOf(world) === phase);

async function doing(world: LifecycleWorld, more: Partial<LifecycleRequest>): Promise<LifecycleReport> {
  return reportOf(await world.clock.run(act(world, world.machine().process(), someRequest(world, more))));
}

async function resume(world: LifecycleWorld): Promise<void> {
  if (world.rollout().stop !== null) expect((await ask(world, 'resume')).ok).toBe(true);
}

/** To the end, with whatever a person must say; null: it says what it waits for, and that is not among it. */
async function toTheEnd(world: LifecycleWorld): Promise<string | null> {
  for (let round = 0; round < 10; round += 1) {
    await resume(world);
    const end = await world.clock.run(carryOn(world.process(), { holdLimitMs: 100_000 }), 6 * 3_600_000);
    if (end === 'killed' || end.kind !== 'held') return null;
    if (end.reason.code !== 'approval-needed') return end.reason.code;
    await ask(world, 'approve');
  }
  return 'no end';
}

/** What is wrong with the end of a version that is good; empty: nothing. */
function wrongWith(world: LifecycleWorld): string[] {
  const wrong = checkJournal(world.journal.entries);
  if (world.kinds().includes('rollback-started')) wrong.push('it was rolled back');
  if (world.state().quarantine.length > 0) wrong.push('it is quarantined');
  if (phaseOf(world) !== 'done') wrong.push(`it is ${phaseOf(world)}`);
  return wrong;
}

const versions = (world: LifecycleWorld): string[] => [...new Set(Object.values(world.running()))];

const PHASES = ['soaking 0', 'passed 0', 'soaking 1', 'soaking 2', 'baking'];

const whom = {
  all: (world: LifecycleWorld) => [...world.fleet.hosts.values()],
  'the canaries': (world: LifecycleWorld) =>
    [...world.fleet.hosts.values()].filter(({ host }) => world.rollout().hosts.get(host.id)?.wave === 0),
  'the last wave': (world: LifecycleWorld) =>
    [...world.fleet.hosts.values()].filter(
      ({ host }) => world.rollout().hosts.get(host.id)?.wave === world.rollout().waveCount - 1,
    ),
};

describe.each(PHASES)('in the phase %s', (phase) => {
  const policy: Partial<RolloutPolicy> = phase.startsWith('passed') ? { approval: 'after-canary' } : {};
  describe.each(Object.entries(whom))('of %s', (_, chosen) => {
    const hostsOf = (world: LifecycleWorld) => chosen(world).map(({ host }) => host);

    it('a stop and a start much later blame nothing', async () => {
      const world = aWorld(policy);
      await reach(world, phase);
      await doing(world, { verb: 'stop', hosts: hostsOf(world) });
      await advanceUntil(world, () => false, 60_000);
      await doing(world, { verb: 'start', hosts: hostsOf(world) });
      await advanceUntil(world, () => false, 5_000);
      await toTheEnd(world);
      expect(wrongWith(world)).toEqual([]);
      expect(versions(world)).toEqual([NEW]);
    });

    it('restarts, one behind the other, blame nothing', async () => {
      const world = aWorld(policy);
      await reach(world, phase);
      await world.clock.advance(7_000);
      for (let times = 0; times < 3; times += 1)
        await doing(world, { verb: 'restart', hosts: hostsOf(world) });
      await toTheEnd(world);
      expect(wrongWith(world)).toEqual([]);
      expect(versions(world)).toEqual([NEW]);
    });

    it('a stop without a hold is no failure, and what stays down is not started', async () => {
      const world = aWorld(policy);
      await reach(world, phase);
      const touched = hostsOf(world).filter(({ id }) => world.rollout().hosts.get(id)?.touched === true);
      await doing(world, { verb: 'stop', hosts: hostsOf(world), hold: null });
      for (let round = 0; round < 8 && (await toTheEnd(world)) === 'no-witness'; round += 1)
        await ask(world, 'approve');
      expect(wrongWith(world)).toEqual([]);
      for (const { name } of touched) expect([name, world.running()[name]]).toEqual([name, '']);
    });

    it('a stop whose process is killed at once is no failure of the version', async () => {
      const world = aWorld(policy);
      await reach(world, phase);
      let contacts = 0;
      const process = world.machine().process((call) => {
        if (call !== 'remote.service') return null;
        contacts += 1;
        return contacts === hostsOf(world).length ? 'after' : null;
      });
      const ended = await world.clock.run(
        act(world, process, someRequest(world, { verb: 'stop', hosts: hostsOf(world) })),
      );
      expect(ended).toBe('killed');
      await world.clock.advance(35_000);
      await advanceUntil(world, () => false, 60_000);
      await resume(world);
      await advanceUntil(world, () => false, 30_000);
      expect(world.kinds()).not.toContain('rollback-started');
      await doing(world, { verb: 'start', hosts: hostsOf(world) });
      await toTheEnd(world);
      expect(wrongWith(world)).toEqual([]);
      expect(versions(world)).toEqual([NEW]);
    });
  });
});
