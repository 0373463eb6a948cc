/** `rollback --to`: the way back is open when things are bad, and is no way around the proof that a version needs. */
import { describe, expect, it } from 'vitest';
import { uncoveredBy } from '../../src/domain/coverage.ts';
import { checkJournal } from './journal-checks.ts';
import { begin, type Ended, makeWorld, NEW, OLD, type World } from './world.ts';

const finished = { kind: 'finished', reason: { code: 'done' } };

async function deployed(): Promise<World> {
  const world = makeWorld();
  expect(await world.clock.run(begin(world.process()))).toMatchObject(finished);
  return world;
}

function goBack(world: World, version = OLD): Promise<Ended> {
  return world.clock.run(begin(world.process(), { kind: 'rollback', version }));
}

describe('a rollback to a version', () => {
  it('is refused where the environment never had that version: it would skip receipt, waves, gates and bake', async () => {
    const world = makeWorld();
    expect(await goBack(world, NEW)).toMatchObject({
      kind: 'refused',
      refusals: [{ code: 'never-served', next: expect.stringContaining('rollout deploy gstg') }],
    });
    expect(world.kinds()).toEqual([]);
  });

  it('is refused for a version that only canaries have had', async () => {
    const world = makeWorld();
    const canary = await world.clock.run(begin(world.process(), { kind: 'canary', keep: true }));
    expect(canary).toMatchObject(finished);
    expect(await goBack(world, NEW)).toMatchObject({ refusals: [{ code: 'never-served' }] });
  });

  it('goes to what the hosts had before the first rollout, and to what a later one has brought', async () => {
    const world = await deployed();
    expect(await goBack(world)).toMatchObject(finished);
    expect(await goBack(world, NEW)).toMatchObject(finished);
    expect(new Set(Object.values(world.running()))).toEqual(new Set([NEW]));
  });

  it('is not held up by a host that does not answer: it is listed, and the others go back', async () => {
    const world = await deployed();
    world.fleet.cutOff.add('3');
    expect(await goBack(world)).toMatchObject(finished);
    expect(world.rollout().leftOut).toMatchObject([{ name: 'h3', why: { kind: 'unreachable' } }]);
    const { h3, ...others } = world.running();
    expect(h3).toBe(NEW);
    expect(new Set(Object.values(others))).toEqual(new Set([OLD]));
  });

  it('is not held up by a host with a version of its own: there is no way back from there, so it is left alone', async () => {
    const world = await deployed();
    world.fleet.host('h2').drift('9.9.9', 'f'.repeat(64));
    expect(await goBack(world)).toMatchObject(finished);
    expect(world.rollout().leftOut).toMatchObject([{ name: 'h2', why: { kind: 'no-way-back' } }]);
  });

  it('goes on in a freeze: changes are frozen, the way back is not', async () => {
    const world = await deployed();
    const now = world.clock.now();
    world.freeze.push({ from: now, until: now + 86_400_000, reason: 'Black Friday' });
    expect(await goBack(world)).toMatchObject(finished);
    expect(new Set(Object.values(world.running()))).toEqual(new Set([OLD]));
  });

  it('asks those again who could not be seen when it began: an outage of a minute leaves nobody on the bad version', async () => {
    const world = await deployed();
    world.fleet.unknownZones.add('z2');
    world.fleet.cutOff.add('3');
    world.onDurable = ({ body }) => {
      if (body.kind !== 'wave-acted') return;
      world.fleet.unknownZones.clear();
      world.fleet.cutOff.clear();
    };
    expect(await goBack(world)).toMatchObject(finished);
    expect(new Set(Object.values(world.running()))).toEqual(new Set([OLD]));
    expect(uncoveredBy(world.rollout())).toEqual({ planned: [], leftOut: [] });
    expect(checkJournal(world.journal.entries)).toEqual([]);
  });

  it('names those who cannot be seen to its end, and does not wait for them', async () => {
    const world = await deployed();
    world.fleet.unknownZones.add('z2');
    expect(await goBack(world)).toMatchObject(finished);
    const { leftOut } = uncoveredBy(world.rollout());
    expect(leftOut.map(({ name }) => name)).toEqual(['h2', 'h5']);
    expect(world.running()).toMatchObject({ h1: OLD, h2: NEW, h5: NEW });
  });
});
