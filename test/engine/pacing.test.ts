/** What a wave does to others bounds it, and a second person is another one. */
import { describe, expect, it } from 'vitest';
import { request } from '../../src/engine/requests.ts';
import { begin, carryOn, makeWorld, NEW, OLD, someHosts, somePolicy, type World } from './world.ts';

const PACING = {
  intervals: { configMs: 10_000, distributedMs: 10_000 },
  enrolsAtStart: false,
  // 12 agents ask 2.4 times a second; 0.4 are left, at 2 a start: one start in 5 s.
  budgetPerS: 2.8,
  waveWithinMs: 20_000,
};

const plannedWaves = (world: World): number[] =>
  world.bodies('rollout-planned').flatMap(({ plan }) => plan.waves.map(({ hosts }) => hosts.length));

describe('a wave whose starts would cost their server too much', () => {
  it('is cut, and its starts are spread', async () => {
    const waves = { ...somePolicy.waves, then: [{ kind: 'percent', percent: 100 }] } as const;
    const world = makeWorld({ hosts: someHosts(12), policy: { pacing: PACING, waves } });
    const began: number[] = [];
    world.fleet.onContact = ({ order }) => {
      if (order.program === 'upgrade') began.push(world.clock.now());
    };
    await world.clock.run(begin(world.process()));
    expect(world.running()).toEqual(
      Object.fromEntries(Object.keys(world.running()).map((name) => [name, NEW])),
    );
    const [, ...behind] = plannedWaves(world);
    expect(Math.max(...behind)).toBeLessThanOrEqual(4);
    const gaps = began.slice(1).map((at, index) => at - (began[index] ?? 0));
    expect(gaps.length).toBe(11);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(4_999);
  });

  it('where there is no room at all nothing begins', async () => {
    const world = makeWorld({ hosts: someHosts(12), policy: { pacing: { ...PACING, budgetPerS: 2 } } });
    await world.clock.run(begin(world.process()));
    expect(world.bodies('rollout-planned')).toEqual([]);
    expect(new Set(Object.values(world.running()))).toEqual(new Set([OLD]));
  });
});

describe('the approval of a second person', () => {
  it('is refused to whoever began, counts from somebody else, and stands in the journal', async () => {
    const policy = { approval: 'after-canary', approvedBy: 'second-person' } as const;
    const world = makeWorld({ policy });
    await world.clock.run(begin(world.process()));
    const { context } = world.process();
    const own = await world.clock.run(request(context, 'approve', 'me'));
    expect(own.ok ? null : own.error).toMatchObject({
      code: 'second-person',
      next: expect.stringMatching(/^somebody else types: rollout approve /u),
    });
    await world.clock.run(carryOn(world.process()));
    expect(world.rollout().phase.kind).toBe('passed');

    const other = { ...context, actor: { ...context.actor, user: 'somebody-else' } };
    expect((await world.clock.run(request(other, 'approve', 'looked at it'))).ok).toBe(true);
    await world.clock.run(carryOn(world.process()));
    expect(world.rollout().phase.kind).toBe('done');
    const given = world.journal.entries.filter(({ body }) => body.kind === 'approval-given');
    expect(given.map(({ actor }) => actor.user)).toEqual(['somebody-else']);
  });

  it('written into the journal by whoever began, round the program, it does not count', async () => {
    const policy = { approval: 'after-canary', approvedBy: 'second-person' } as const;
    const world = makeWorld({ policy });
    await world.clock.run(begin(world.process()));
    const { context } = world.process();
    const byAnybody = { ...context, actor: { ...context.actor, user: 'x', person: 'x' } };
    // The same person in a CI job, whose user is another one.
    const inJob = { ...byAnybody, actor: { ...byAnybody.actor, person: context.actor.user } };
    const refused = await world.clock.run(request(inJob, 'approve', 'me again'));
    expect(refused.ok ? null : refused.error).toMatchObject({ code: 'second-person' });
    expect(world.rollout().approvedAt).toBe(0);
  });
});
