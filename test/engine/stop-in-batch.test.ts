/** A batch is begun host by host, as connections allow: what stops the rollout stops those that have not begun. */
import { describe, expect, it } from 'vitest';
import type { Remote } from '../../src/ports/remote.ts';
import { checkJournal } from './journal-checks.ts';
import { ask, begin, carryOn, makeWorld, NEW, OLD, type Process, someHosts, type World } from './world.ts';

/** As the SSH remote does it: so many at once, the others wait for a place, and what was cancelled meanwhile is not begun. */
function narrow(process: Process, width: number): Process {
  const { remote } = process.context;
  const waiting: (() => void)[] = [];
  let atWork = 0;
  const run: Remote['run'] = async (host, job, signal) => {
    if (atWork >= width) await new Promise<void>((go) => waiting.push(go));
    atWork += 1;
    try {
      return await remote.run(host, job, signal);
    } finally {
      atWork -= 1;
      waiting.shift()?.();
    }
  };
  return { ...process, context: { ...process.context, remote: { ...remote, run } } };
}

/** One canary, then seven at once. */
function wide(more: Parameters<typeof makeWorld>[0] = {}): World {
  const all = { kind: 'percent', percent: 100 } as const;
  return makeWorld({
    hosts: someHosts(8, ['web']),
    ...more,
    policy: {
      waves: { strata: ['role'], then: [all], maxUnavailable: { environment: all, zone: all, role: all } },
      ...more.policy,
    },
  });
}

const upgraded = (world: World): string[] =>
  world.fleet.contacts.filter(({ program }) => program === 'upgrade').map(({ id }) => id);

async function untilSecondWave(world: World, run: Promise<unknown>): Promise<void> {
  for (let i = 0; i < 200 && upgraded(world).length < 2; i += 1)
    await world.clock.run(Promise.race([run, world.clock.sleep(1_000)]));
  expect(upgraded(world).length).toBeGreaterThanOrEqual(2);
}

describe('a batch that is under way', () => {
  it('takes no further host once more have failed than may', async () => {
    const world = wide({ behaviour: { startFails: true, only: (name) => name !== 'h1' } });
    const end = await world.clock.run(begin(narrow(world.process(), 1)));
    expect(end).toMatchObject({ kind: 'finished', reason: { code: 'rolled-back' } });
    // The canary, and the first of the wave; a host that was only being connected to has been let go.
    const changed = [...world.fleet.hosts.values()].filter(({ fences }) => fences.size > 0);
    expect(changed.map(({ host }) => host.name)).toEqual(['h1', 'h2']);
    expect(new Set(Object.values(world.running()))).toEqual(new Set([OLD]));
    expect(checkJournal(world.journal.entries)).toEqual([]);
  });

  it('goes on while no more have failed than may', async () => {
    const world = wide({
      behaviour: { startFails: true, only: (name) => name === 'h3' },
      policy: {
        limits: {
          failedHosts: 1,
          unreachableHosts: 0,
          hostDeadlineMs: 60_000,
          retryEveryMs: 10_000,
          rollbackDeadlineMs: 120_000,
        },
      },
    });
    const end = await world.clock.run(begin(narrow(world.process(), 1)));
    expect(end).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    expect(upgraded(world)).toHaveLength(8);
  });

  for (const kind of ['pause', 'abort', 'rollback'] as const) {
    it(`hears a request to ${kind} within seconds, and takes no further host`, async () => {
      const world = wide();
      const run = begin(narrow(world.process(), 1));
      await untilSecondWave(world, run);
      await ask(world, kind);
      const before = upgraded(world).length;
      await world.clock.run(run);
      // The one at work when it was asked, and at most one that was begun before it was heard.
      expect(upgraded(world).length - before).toBeLessThanOrEqual(1);
      expect(checkJournal(world.journal.entries)).toEqual([]);
      if (kind !== 'pause') return;
      await ask(world, 'resume');
      expect(await world.clock.run(carryOn(world.process()))).toMatchObject({ reason: { code: 'done' } });
      expect(new Set(Object.values(world.running()))).toEqual(new Set([NEW]));
      expect(checkJournal(world.journal.entries)).toEqual([]);
    });
  }

  it('takes no further host when somebody has taken it over', async () => {
    const world = wide();
    const first = narrow(world.process(), 1);
    const run = begin(first);
    await untilSecondWave(world, run);
    const second = world.process();
    const { lease } = second.context;
    const forceful: Process = {
      ...second,
      context: {
        ...second.context,
        lease: { ...lease, acquire: (actor) => lease.acquire(actor, { force: true }) },
      },
    };
    const of = (pid: number): number => world.fleet.contacts.filter(({ process }) => process === pid).length;
    const before = of(first.pid);
    const [ended] = await world.clock.run(Promise.all([run, carryOn(forceful)]));
    expect(ended).toMatchObject({ kind: 'failed' });
    expect(of(first.pid) - before).toBeLessThanOrEqual(1);
    expect(new Set(Object.values(world.running()))).toEqual(new Set([NEW]));
  });
});
