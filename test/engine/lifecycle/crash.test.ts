/** Killed at every port call, with a rollout under way, and then carried on by somebody else. */
import { describe, expect, it } from 'vitest';
import { isFinished } from '../../../src/domain/fold.ts';
import { checkJournal } from '../journal-checks.ts';
import { ask, begin, carryOn, type KillPlan, someHosts } from '../world.ts';
import {
  act,
  type LifecycleWorld,
  lifecycleWorld,
  namesDown,
  reportOf,
  someRequest,
} from './lifecycle-world.ts';

const small = { hosts: someHosts(3), policy: { soakMs: 5_000, bakeMs: 5_000 } } as const;

/** Begins a rollout, stops everything in its middle, and answers with how many port calls the stop made. */
async function stopInRollout(world: LifecycleWorld, plan?: KillPlan): Promise<number> {
  const rollout = begin(world.process());
  await world.clock.run(Promise.race([rollout, world.clock.sleep(1_000)]));
  const machine = world.machine();
  const stopping = machine.process(plan);
  await world.clock.run(act(world, stopping));
  // The second one finds what the first has left, also in its outbox.
  const report = reportOf(await world.clock.run(act(world, machine.process())));
  expect(report).toMatchObject({ end: 'done', record: { kind: 'journal' } });
  expect(machine.outbox.entries).toEqual([]);
  await world.clock.run(rollout);
  return stopping.calls();
}

describe('a stop that is killed in a rollout, and typed again', () => {
  it('leaves all down and the rollout paused; started again, the rollout goes to its end', {
    timeout: 120_000,
  }, async () => {
    const calls = await stopInRollout(lifecycleWorld(small));
    expect(calls).toBeGreaterThan(15);
    for (let at = 1; at <= calls; at += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = lifecycleWorld(small);
        let killedIn = '';
        await stopInRollout(world, (call, count) => {
          if (count !== at) return null;
          killedIn = `killed ${when} call ${at}, ${call}`;
          return when;
        });
        expect({ killedIn, down: namesDown(world) }).toEqual({ killedIn, down: ['h1', 'h2', 'h3'] });
        expect({ killedIn, stop: world.rollout().stop?.kind }).toEqual({ killedIn, stop: 'paused' });
        const started = reportOf(
          await world.clock.run(act(world, world.machine().process(), someRequest(world, { verb: 'start' }))),
        );
        expect({ killedIn, end: started.end, down: namesDown(world) }).toEqual({
          killedIn,
          end: 'done',
          down: [],
        });
        await world.clock.run(ask(world, 'resume'));
        for (let round = 0; round < 5 && !isFinished(world.rollout()); round += 1) {
          await world.clock.advance(31_000);
          await world.clock.run(carryOn(world.process()));
        }
        expect({ killedIn, phase: world.rollout().phase.kind }).toEqual({ killedIn, phase: 'done' });
        expect({ killedIn, wrong: checkJournal(world.journal.entries) }).toEqual({ killedIn, wrong: [] });
      }
    }
  });
});

describe('a calm start that is killed, and typed again', () => {
  it('lifts every hold once, whoever had the lease', { timeout: 60_000 }, async () => {
    const make = async (plan?: KillPlan): Promise<{ world: LifecycleWorld; calls: number }> => {
      const world = lifecycleWorld({ hosts: someHosts(3) });
      const machine = world.machine();
      await world.clock.run(act(world, machine.process()));
      const starting = machine.process(plan);
      await world.clock.run(act(world, starting, someRequest(world, { verb: 'start' })));
      return { world, calls: starting.calls() };
    };
    const { calls } = await make();
    expect(calls).toBeGreaterThan(8);
    for (let at = 1; at <= calls; at += 1) {
      for (const when of ['before', 'after'] as const) {
        let killedIn = '';
        const { world } = await make((call, count) => {
          if (count !== at) return null;
          killedIn = `killed ${when} call ${at}, ${call}`;
          return when;
        });
        await world.clock.advance(31_000);
        const report = reportOf(
          await world.clock.run(act(world, world.machine().process(), someRequest(world, { verb: 'start' }))),
        );
        expect({
          killedIn,
          end: report.end,
          down: namesDown(world),
          holds: world.state().holds.size,
        }).toEqual({
          killedIn,
          end: 'done',
          down: [],
          holds: 0,
        });
        expect({ killedIn, wrong: checkJournal(world.journal.entries) }).toEqual({ killedIn, wrong: [] });
      }
    }
  });
});
