/** What a plan refuses of a cloud that does not show all of itself, and what a way back does instead. */
import { describe, expect, it } from 'vitest';
import type { Targeting } from '../../src/domain/environment.ts';
import type { Host } from '../../src/domain/host.ts';
import { type PlanRequest, preparePlan } from '../../src/engine/prepare-plan.ts';
import { begin, makeWorld, NEW, OLD, someHosts, type World } from './world.ts';

async function prepare(world: World, more: Partial<PlanRequest> = {}) {
  const prepared = await world.clock.run(
    preparePlan(world.process().context, { version: NEW, quarantine: [], ...more }),
  );
  if (!prepared.ok) throw new Error(prepared.error.message);
  return prepared.value;
}

const blockersOf = async (world: World, more: Partial<PlanRequest> = {}) =>
  (await prepare(world, more)).blockers.map(({ code, details, exit }) => ({ code, details, exit }));

const hosts = (change: (host: Host) => Partial<Host>): Host[] =>
  someHosts(4).map((host) => ({ ...host, ...change(host) }));

describe('a rollout forward', () => {
  it('is held by a zone that could not be listed: named, with why', async () => {
    const world = makeWorld();
    world.fleet.unknownZones.add('z2');
    expect(await blockersOf(world)).toEqual([
      { code: 'unknown-zones', exit: 'held', details: ['z2: not listed'] },
    ]);
    const end = await world.clock.run(begin(world.process()));
    expect(end).toMatchObject({
      kind: 'refused',
      refusals: [{ next: expect.stringContaining('rollout doctor gstg') }],
    });
    expect(world.journal.entries).toEqual([]);
  });

  it('is held by a host of which nobody has said: named, with its place and the evidence', async () => {
    const odd = hosts(({ id }) => (id === '2' ? { name: 'gke-odd', project: 'prod' } : {}));
    expect(await blockersOf(makeWorld({ hosts: odd }))).toEqual([
      {
        code: 'undecided-hosts',
        exit: 'held',
        details: ['gke-odd (prod/z2): looks like a GKE node, but only by name gke-odd'],
      },
    ]);
  });

  it('goes without managed machines and what has no dpkg, each with its rule', async () => {
    const mixed = hosts(({ id }) => {
      if (id === '2') return { labels: { 'goog-gke-node': '' } };
      return id === '3' ? { os: 'unknown', licenses: ['cos-cloud'] } : {};
    });
    const { plan, blockers } = await prepare(makeWorld({ hosts: mixed }));
    expect(blockers).toEqual([]);
    expect(plan.leftOut.map(({ why }) => ('rule' in why ? why.rule : why.kind))).toEqual([
      'built-in:gke-node',
      'built-in:container-optimized-os',
    ]);
  });

  it('takes a host whose exemption has ended, which says so', async () => {
    const world = makeWorld();
    const targeting: Targeting = {
      include: 'true',
      exempt: [{ when: 'name == "h1"', reason: 'being retired', until: world.clock.now() - 1 }],
      eligible: [],
    };
    const { context } = world.process();
    const environment = { ...context.environment, targeting };
    const prepared = await world.clock.run(
      preparePlan({ ...context, environment }, { version: NEW, quarantine: [] }),
    );
    const fleet = prepared.ok ? prepared.value.fleet.hosts : [];
    expect(fleet[0]?.eligibility).toMatchObject({ kind: 'eligible', lapsed: { rule: 'exempt[0]' } });
    expect(fleet[1]?.eligibility).toEqual({ kind: 'eligible' });
  });
});

describe('a way back', () => {
  it('goes without a zone that cannot be listed, and names who is there as the journal last knew it', async () => {
    const world = makeWorld();
    await world.clock.run(begin(world.process()));
    world.fleet.unknownZones.add('z2');
    const end = await world.clock.run(begin(world.process(), { kind: 'rollback', version: OLD }));
    expect(end).toMatchObject({ kind: 'finished' });
    expect(world.running()).toEqual({ h1: OLD, h2: NEW, h3: OLD, h4: OLD, h5: NEW, h6: OLD });
    expect(world.rollout().leftOut.map(({ name, why }) => `${name}: ${why.kind}`)).toEqual([
      'h2: unreachable',
      'h5: unreachable',
    ]);
  });

  it('is held by such a zone where the journal knows nothing of the fleet: nobody could be named', async () => {
    const world = makeWorld();
    await world.clock.run(begin(world.process()));
    world.fleet.unknownZones.add('z2');
    const { entries } = world.journal;
    const { context } = world.process();
    const journal = {
      ...context.journal,
      read: async () => ({
        ok: true as const,
        value: entries.filter(({ body }) => body.kind !== 'fleet-seen'),
      }),
    };
    const prepared = await world.clock.run(
      preparePlan({ ...context, journal }, { version: OLD, quarantine: [], singleWave: true }),
    );
    expect(prepared.ok && prepared.value.blockers.map(({ code }) => code)).toEqual(['unknown-zones']);
  });
});
