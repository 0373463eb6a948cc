/** Hosts of a cloud say who they are: what another machine answers at an address counts for nothing. */
import { describe, expect, it } from 'vitest';
import type { GceInventorySettings } from '../../src/domain/cloud.ts';
import { HOST_EXIT } from '../../src/domain/host-order.ts';
import { preparePlan } from '../../src/engine/prepare-plan.ts';
import type { Remote } from '../../src/ports/remote.ts';
import {
  ask,
  begin,
  carryOn,
  GCE,
  makeWorld,
  NEW,
  OLD,
  type Process,
  someHosts,
  type World,
} from './world.ts';

/** The fleet is Google Cloud's, and from some order on another machine is at the address of h1. */
function inCloud(
  world: World,
  options: {
    isOther?: (program: string) => boolean;
    inventory?: Partial<GceInventorySettings>;
    code?: number;
  } = {},
): Process {
  const process = world.process();
  const { context } = process;
  const run: Remote['run'] = (host, job, signal) => {
    if (
      host.name !== 'h1' ||
      options.isOther?.(job.order.program) !== true ||
      job.order.instanceId === undefined
    )
      return context.remote.run(host, job, signal);
    const steps = [
      { step: 'begin', ok: true },
      { step: 'identity', ok: false, message: `this host is instance 7, meant was ${job.order.instanceId}` },
      { step: 'end', ok: false },
    ];
    return Promise.resolve({
      kind: 'answered',
      exitCode: options.code ?? HOST_EXIT.wrongHost,
      steps,
      stderr: '',
    });
  };
  return {
    ...process,
    context: {
      ...context,
      environment: { ...context.environment, inventory: { ...GCE, ...options.inventory } },
      remote: { ...context.remote, run },
    },
  };
}

const idsAsked = (world: World): unknown[] => [
  ...new Set(
    world.fleet.contacts.map(({ id, order }) => (order.instanceId === id ? 'its own' : order.instanceId)),
  ),
];

describe('the instance id', () => {
  it('goes with every order to a host of the cloud', async () => {
    const world = makeWorld({ hosts: someHosts(3) });
    await world.clock.run(begin(inCloud(world)));
    expect(world.rollout().phase.kind).toBe('done');
    expect(new Set(world.fleet.contacts.map(({ program }) => program)).size).toBeGreaterThan(1);
    expect(idsAsked(world)).toEqual(['its own']);
  });

  it('is not asked for where that is switched off, or where no cloud knows it', async () => {
    for (const process of [
      (world: World) => inCloud(world, { inventory: { instanceCheck: false } }),
      (world: World) => world.process(),
    ]) {
      const world = makeWorld({ hosts: someHosts(3) });
      await world.clock.run(begin(process(world)));
      expect(idsAsked(world)).toEqual([undefined]);
    }
  });
});

describe('an address that changes hands in mid-rollout', () => {
  const readdress = (world: World, name: string, address: string): void => {
    Object.assign(world.fleet.host(name).host, { address });
  };
  const afterCanaries = (world: World, what: () => void): void => {
    world.onDurable = ({ body }) => {
      if (body.kind !== 'wave-passed') return;
      world.onDurable = null;
      what();
    };
  };

  it('is followed: a VM that was stopped and started is reached where it is now, by its instance id', async () => {
    const world = makeWorld({ hosts: someHosts(6), inCloud: true });
    afterCanaries(world, () => readdress(world, 'h6', '10.0.9.9'));
    await world.clock.run(begin(world.process()));
    expect(world.rollout().phase).toMatchObject({ kind: 'done', notCovered: [] });
    expect(world.running()['h6']).toBe(NEW);
  });

  it('is followed on the way back too: nobody is forgotten because it has moved', async () => {
    const world = makeWorld({ hosts: someHosts(4), inCloud: true });
    await world.clock.run(begin(world.process()));
    readdress(world, 'h1', '10.0.9.9');
    readdress(world, 'h2', '10.0.0.1');
    await ask(world, 'rollback');
    await world.clock.run(carryOn(world.process()));
    expect(world.rollout().phase.kind).toBe('rolled-back');
    expect(new Set(Object.values(world.running()))).toEqual(new Set([OLD]));
  });

  it('and belongs to a VM made anew reaches nobody in the name of the one that is gone', async () => {
    const world = makeWorld({ hosts: someHosts(6), inCloud: true });
    afterCanaries(world, () => {
      world.fleet.deleted.add('1');
      world.fleet.add({ ...world.fleet.host('h1').host, id: '11' });
    });
    await world.clock.run(begin(world.process()));
    expect(world.rollout().hosts.get('1')).toMatchObject({ state: 'gone' });
    expect(world.rollout().hosts.get('11')).toMatchObject({ state: 'verified' });
    expect(world.rollout().phase).toMatchObject({ kind: 'done', notCovered: [] });
  });
});

describe.each([
  ['wrong-host', HOST_EXIT.wrongHost],
  ['identity-unknown', HOST_EXIT.identityUnknown],
])('another machine at the address (%s)', (why, code) => {
  it('holds the promotion up like a host that does not answer', async () => {
    const world = makeWorld({ hosts: someHosts(4), policy: {} });
    const { context } = inCloud(world, { isOther: () => true, code });
    const prepared = await world.clock.run(preparePlan(context, { version: NEW, quarantine: [] }));
    if (!prepared.ok) throw new Error(prepared.error.message);
    expect(prepared.value.plan.leftOut).toMatchObject([
      {
        name: 'h1',
        why: { kind: 'unreachable', why: expect.stringContaining(`${why}: this host is instance 7`) },
      },
    ]);
    expect(prepared.value.blockers).not.toEqual([]);
  });

  it('is not upgraded, and counts as not changed', async () => {
    const world = makeWorld({ hosts: someHosts(4) });
    await world.clock.run(begin(inCloud(world, { isOther: (program) => program === 'upgrade', code })));
    const h1 = [...world.rollout().hosts.values()].find(({ host }) => host.name === 'h1');
    expect(h1).toMatchObject({ touched: false, provenAt: 0, outcome: { kind: 'blocked', why } });
    expect(world.running()['h1']).toBe(OLD);
    expect(world.rollout().phase.kind).not.toBe('done');
  });

  it('proves nothing of the host that was changed', async () => {
    const world = makeWorld({ hosts: someHosts(4) });
    await world.clock.run(begin(inCloud(world, { isOther: (program) => program === 'prove', code })));
    expect(world.rollout().phase.kind).not.toBe('done');
    expect(world.bodies('hosts-answered').flatMap(({ hosts }) => hosts)).toContainEqual(
      expect.objectContaining({ outcome: expect.objectContaining({ kind: 'blocked', why }) }),
    );
  });

  it('does not take back what was done to the host that is meant', async () => {
    const world = makeWorld({ hosts: someHosts(4) });
    await world.clock.run(begin(inCloud(world)));
    await ask(world, 'rollback');
    await world.clock.run(carryOn(inCloud(world, { isOther: (program) => program === 'revert', code })));
    const h1 = [...world.rollout().hosts.values()].find(({ host }) => host.name === 'h1');
    expect(h1).toMatchObject({ state: 'revert-failed', touched: true });
    expect(world.rollout().phase.kind).not.toBe('rolled-back');
    expect(world.running()['h1']).toBe(NEW);
  });
});
