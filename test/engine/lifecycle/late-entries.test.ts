/** What an emergency did, whose entries wait on a machine without the bucket and reach the journal a day later, moves nothing back. */
import { expect, it } from 'vitest';
import { sendWaiting } from '../../../src/engine/send-waiting.ts';
import { begin, carryOn, NEW } from '../world.ts';
import { act, lifecycleWorld, someRequest } from './lifecycle-world.ts';

const DAY_MS = 86_400_000;

it('in the middle of a bake: what was stopped and started since is no hold, no failure, and is watched on', async () => {
  const world = lifecycleWorld({ policy: { bakeMs: 2 * DAY_MS, sampleEveryMs: 600_000 } });
  const away = world.machine();
  const near = world.machine();
  away.bucket = 'refuses';
  await world.clock.run(act(world, away.process()));
  await world.clock.run(act(world, near.process(), someRequest(world, { verb: 'start' })));
  const advance = () => world.clock.run(carryOn(world.process(), { mode: 'advance' }));
  await world.clock.run(begin(world.process(), {}, { mode: 'advance' }));
  for (let round = 0; round < 1_000 && world.rollout().phase.kind !== 'baking'; round += 1) {
    await world.clock.advance(30_000);
    await advance();
  }
  for (let hour = 0; hour < 24; hour += 1) {
    await world.clock.advance(3_600_000);
    await advance();
  }
  const { phase: before, hosts } = world.rollout();
  away.bucket = 'none';
  await world.clock.run(sendWaiting(away.process().context));
  expect(world.bodies('lifecycle-intended').length).toBe(2);
  const { phase, hosts: after, stop } = world.rollout();
  expect([phase, stop]).toEqual([before, null]);
  expect([...after.values()].map((host) => [host.leftStopped, host.unheard])).toEqual(
    [...hosts.values()].map(() => [false, null]),
  );
  expect(world.state().holds.size).toBe(0);
  const end = await world.clock.run(carryOn(world.process()), 4 * DAY_MS);
  expect(end).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
  expect(world.state().receipts[0]?.observedMs).toBeLessThan(2 * DAY_MS + 3_600_000);
  expect(new Set(Object.values(world.running()))).toEqual(new Set([NEW]));
});
