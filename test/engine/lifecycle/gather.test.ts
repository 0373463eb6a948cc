import { describe, expect, it } from 'vitest';
import { parseExpression } from '../../../src/domain/expression.ts';
import { gatherTargets } from '../../../src/engine/gather-targets.ts';
import type { Polarity, Selection, Targets } from '../../../src/engine/lifecycle-types.ts';
import { begin, someHosts } from '../world.ts';
import { act, type LifecycleWorld, lifecycleWorld, type Machine, someRequest } from './lifecycle-world.ts';

const ALL: Selection = { fleet: true, hosts: [], where: null, except: [] };
const never = new AbortController().signal;

function where(text: string): Selection {
  const parsed = parseExpression(text, { agent: true });
  if (!parsed.ok) throw new Error(parsed.error.message);
  return { ...ALL, fleet: false, where: parsed.value };
}

async function gather(
  world: LifecycleWorld,
  machine: Machine,
  selection = ALL,
  polarity: Polarity = 'emergency',
) {
  return world.clock.run(gatherTargets(machine.process().context, selection, polarity, never));
}

async function targets(...asked: Parameters<typeof gather>): Promise<Targets> {
  const gathered = await gather(...asked);
  if (!gathered.ok) throw new Error(gathered.error.message);
  return gathered.value;
}

const chosen = ({ chosen: hosts }: Targets): string[] => hosts.map(({ name }) => name);

describe('whom an emergency is about', () => {
  it('is the listing of now, which is kept for the next time', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    const machine = world.machine();
    expect(await targets(world, machine)).toMatchObject({ inventory: { kind: 'listed' }, unmatched: [] });
    expect(machine.lastInventory.view?.hosts).toHaveLength(3);
  });

  it.each(['hangs', 'refuses'] as const)(
    'is the last listing of this machine while the cloud %s, and it says of when that is',
    async (how) => {
      const world = lifecycleWorld({ hosts: someHosts(3) });
      const machine = world.machine();
      await targets(world, machine);
      const at = world.clock.now();
      await world.clock.advance(3_600_000);
      machine.cloud = how;
      const began = world.clock.elapsedMs;
      const found = await targets(world, machine);
      expect(chosen(found)).toEqual(['h1', 'h2', 'h3']);
      expect(found.inventory).toMatchObject({ kind: 'last-known', from: 'this-machine', at });
      expect(world.clock.elapsedMs - began).toBeLessThanOrEqual(10_000);
    },
  );

  it('is the journal’s record where this machine has none', async () => {
    const world = lifecycleWorld({ hosts: someHosts(3) });
    await world.clock.run(begin(world.process()));
    const machine = world.machine();
    machine.cloud = 'refuses';
    const found = await targets(world, machine);
    expect(chosen(found)).toEqual(['h1', 'h2', 'h3']);
    expect(found.inventory).toMatchObject({ kind: 'last-known', from: 'journal' });
    const told = await targets(world, machine, where('labels.tier == "x" or role == "web"'));
    expect(told.unknown.map(({ host, why }) => `${host.name}: ${why}`)[0]).toBe(
      'h1: it is known from the journal alone, which keeps no labels',
    );
    expect(chosen(await targets(world, machine, where('role == "web"')))).toEqual(['h1', 'h3']);
  });

  it('is nobody where nothing is known, and says what to do', async () => {
    const world = lifecycleWorld();
    const machine = world.machine();
    machine.cloud = 'hangs';
    machine.bucket = 'hangs';
    expect(await gather(world, machine)).toMatchObject({
      ok: false,
      error: { exit: 'failed', code: 'inventory-failed', next: expect.stringContaining('by hand') },
    });
    expect(world.clock.elapsedMs).toBeLessThanOrEqual(17_000);
  });

  it('takes those of unknown zones from the last listing, each VM by its id', async () => {
    const world = lifecycleWorld({ hosts: someHosts(6) });
    const machine = world.machine();
    await targets(world, machine);
    const at = world.clock.now();
    await world.clock.advance(1_000);
    world.fleet.unknownZones.add('z1');
    const [like] = someHosts(1);
    if (like === undefined) throw new Error('no host');
    world.fleet.deleted.add('2');
    world.fleet.add({ ...like, id: '92', name: 'h2', zone: 'z2' });
    world.fleet.add({ ...like, id: '94', name: 'h4', zone: 'z2' });
    const found = await targets(world, machine);
    expect(found.chosen.map(({ id, name }) => `${name} ${id}`)).toEqual([
      'h1 1',
      'h2 92',
      'h3 3',
      'h4 4',
      'h4 94',
      'h5 5',
      'h6 6',
    ]);
    expect(found.inventory).toMatchObject({
      kind: 'listed-in-part',
      restAt: at,
      unknownZones: [{ zone: 'z1' }],
    });
    expect(machine.lastInventory.view?.at).toBe(at);
  });

  it('asks the hosts what only they can tell, and names those that do not', async () => {
    const world = lifecycleWorld({ hosts: someHosts(4) });
    const machine = world.machine();
    const [first] = someRequest(world).hosts;
    await world.clock.run(
      act(world, machine.process(), someRequest(world, { hosts: first === undefined ? [] : [first] })),
    );
    world.fleet.cutOff.add('4');
    const found = await targets(world, machine, where('state == "active"'));
    expect(chosen(found)).toEqual(['h2', 'h3']);
    expect(found.unknown).toMatchObject([
      { host: { name: 'h4' }, why: expect.stringContaining('unreachable') },
    ]);
    expect(chosen(await targets(world, machine, where('has(hold)')))).toEqual(['h1']);
  });

  it('does not wait a minute for a host that says nothing of itself', async () => {
    const world = lifecycleWorld({ hosts: someHosts(4) });
    const { context } = world.machine().process();
    const { remote, clock, environment } = context;
    const { policy } = environment;
    const patient = { ...policy, stepTimeouts: { ...policy.stepTimeouts, lookMs: 60_000 } };
    // As where its disk hangs: it takes the connection, and the program does not end.
    const stuck: typeof remote.run = async (host, job, signal) => {
      if (host.id !== '4') return remote.run(host, job, signal);
      await clock.sleep(job.timeoutMs, signal);
      return { kind: 'no-answer', why: 'timed-out', message: `no answer within ${job.timeoutMs} ms` };
    };
    const began = world.clock.elapsedMs;
    const found = await world.clock.run(
      gatherTargets(
        { ...context, environment: { ...environment, policy: patient }, remote: { ...remote, run: stuck } },
        where('state == "active"'),
        'emergency',
        never,
      ),
    );
    if (!found.ok) throw new Error(found.error.message);
    expect(chosen(found.value)).toEqual(['h1', 'h2', 'h3']);
    expect(found.value.unknown).toMatchObject([{ host: { name: 'h4' } }]);
    expect(world.clock.elapsedMs - began).toBeLessThan(20_000);
  });
});

describe('whom a calm action is about', () => {
  it('is nobody while the cloud does not answer', async () => {
    const world = lifecycleWorld();
    const machine = world.machine();
    await targets(world, machine);
    machine.cloud = 'refuses';
    expect(await gather(world, machine, ALL, 'calm')).toMatchObject({
      ok: false,
      error: { exit: 'failed', code: 'inventory-failed' },
    });
  });

  it('is nobody while a zone is unknown, unless each was named and is there', async () => {
    const world = lifecycleWorld({ hosts: someHosts(6) });
    const machine = world.machine();
    world.fleet.unknownZones.add('z1');
    for (const selection of [
      ALL,
      where('role == "web"'),
      { ...ALL, fleet: false, hosts: ['h1'] },
      { ...ALL, fleet: false, hosts: ['h*'] },
    ]) {
      expect(await gather(world, machine, selection, 'calm')).toMatchObject({
        ok: false,
        error: { exit: 'held', code: 'unknown-zones' },
      });
    }
    expect(
      chosen(await targets(world, machine, { ...ALL, fleet: false, hosts: ['h2', '3'] }, 'calm')),
    ).toEqual(['h2', 'h3']);
  });

  it('is nobody once it is called off', async () => {
    const world = lifecycleWorld();
    const called = new AbortController();
    called.abort();
    const gathered = await world.clock.run(
      gatherTargets(world.machine().process().context, ALL, 'emergency', called.signal),
    );
    expect(gathered).toMatchObject({ ok: false, error: { exit: 'interrupted' } });
  });
});
