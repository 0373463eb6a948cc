/** What is gathered of a rollout that went wrong, also where nobody answers any more. */
import { describe, expect, it } from 'vitest';
import { gatherReport } from '../../src/engine/gather-report.ts';
import { begin, makeWorld, type World } from './world.ts';

const LOOK = { look: true };
const never = new AbortController().signal;

async function gather(world: World, question: Parameters<typeof gatherReport>[1] = LOOK) {
  return world.clock.run(gatherReport(world.process().context, question, never));
}

const badWorld = (): World => makeWorld({ behaviour: { startFails: true } });

describe('a report', () => {
  it('of an environment without a rollout says that there is none', async () => {
    const gathered = await gather(makeWorld());
    expect(gathered.ok ? null : gathered.error).toMatchObject({ exit: 'usage', code: 'no-rollout' });
  });

  it('of a rollout that is not there names those that are', async () => {
    const world = makeWorld();
    await world.clock.run(begin(world.process()));
    const gathered = await gather(world, { look: false, rolloutId: 'gstg-999' });
    expect(gathered.ok ? [] : gathered.error.details).toEqual([
      expect.stringMatching(/^there are gstg-\d+$/u),
    ]);
  });

  it('has the rollout’s own entries, from its plan to the next one’s', async () => {
    const world = makeWorld();
    await world.clock.run(begin(world.process()));
    const gathered = await gather(world, { look: false });
    if (!gathered.ok) throw new Error(gathered.error.message);
    const { excerpt, answers, hosts, broken } = gathered.value;
    expect(excerpt.entries[0]?.body.kind).toBe('rollout-planned');
    expect(excerpt.rollout.phase.kind).toBe('done');
    expect(excerpt.judgements.length).toBeGreaterThan(0);
    expect({ answers, hosts, broken }).toEqual({ answers: [], hosts: [], broken: null });
  });

  it('looks at the hosts that failed, and says of those that are silent that they are', async () => {
    const world = badWorld();
    await world.clock.run(begin(world.process()));
    const failed = world
      .bodies('hosts-answered')
      .flatMap(({ hosts }) => hosts.filter(({ outcome }) => outcome.kind === 'failed').map(({ id }) => id));
    expect(failed.length).toBeGreaterThan(0);
    for (const id of failed) world.fleet.cutOff.add(id);
    const gathered = await gather(world);
    if (!gathered.ok) throw new Error(gathered.error.message);
    expect(gathered.value.hosts.map(({ host }) => host.id)).toEqual(failed);
    expect(gathered.value.hosts.map(({ looked }) => looked.kind)).toEqual(failed.map(() => 'silent'));
  });

  it('writes nothing, takes no lease, and touches no host', async () => {
    const world = badWorld();
    await world.clock.run(begin(world.process()));
    const before = world.journal.entries.length;
    const running = world.running();
    await gather(world);
    expect(world.journal.entries.length).toBe(before);
    expect(world.running()).toEqual(running);
  });
});
