/** A runner whose lease is taken or lapses: it says so, begins nothing more, and whoever comes next carries the rollout on. */
import { describe, expect, it } from 'vitest';
import { someActor } from '../fakes/journal-entries.ts';
import { checkJournal } from './journal-checks.ts';
import { begin, carryOn, type Ended, makeWorld, NEW, type Process, type World } from './world.ts';

const LOST = { kind: 'failed', message: expect.stringContaining('the lease was lost') };

/** A heartbeat comes three times in a lifetime of 30 s. */
const HEARTBEAT_MS = 10_000;

function everywhere(world: World, version: string): Record<string, string> {
  return Object.fromEntries(Object.keys(world.running()).map((name) => [name, version]));
}

/** Somebody takes it by force and gives it back: no entry of theirs fences, only the lease itself tells. */
async function takeByForce(world: World): Promise<void> {
  const taken = await world.leases.of(99).acquire(someActor, { force: true });
  if (!taken.ok) throw new Error('a lease taken by force is had');
  await taken.value.release();
}

async function runUntil(world: World, run: Promise<Ended>, ms: number): Promise<void> {
  await world.clock.run(Promise.race([run, world.clock.sleep(ms)]));
}

function contactsOf(world: World, { pid }: Process): number {
  return world.fleet.contacts.filter((contact) => contact.process === pid).length;
}

async function carriedOn(world: World): Promise<void> {
  expect(await world.clock.run(carryOn(world.process()))).toMatchObject({
    kind: 'finished',
    reason: { code: 'done' },
  });
  expect(world.running()).toEqual(everywhere(world, NEW));
  expect(world.state().receipts).toHaveLength(1);
  expect(checkJournal(world.journal.entries)).toEqual([]);
}

describe('a runner whose lease is taken by force', () => {
  it('ends while a wave soaks, begins no host after that, and the next one carries on', async () => {
    const world = makeWorld();
    const first = world.process();
    const run = begin(first);
    await runUntil(world, run, 15_000);
    expect(world.rollout().phase).toMatchObject({ kind: 'soaking', wave: 0 });
    await takeByForce(world);
    const before = contactsOf(world, first);
    const takenAt = world.clock.elapsedMs;
    expect(await world.clock.run(run)).toMatchObject(LOST);
    expect(world.clock.elapsedMs - takenAt).toBeLessThanOrEqual(HEARTBEAT_MS);
    expect(contactsOf(world, first)).toBe(before);
    await carriedOn(world);
  });

  it('lets the programs that run on hosts finish, writes what they answered, and begins no other', async () => {
    const world = makeWorld();
    const first = world.process();
    // One canary is slow enough for several heartbeats to pass.
    world.fleet.faults = ({ id, program, process }) =>
      id === '1' && program === 'upgrade' && process === first.pid ? 'too-slow' : null;
    const run = begin(first);
    await runUntil(world, run, 5_000);
    expect(world.rollout().hosts.get('1')?.state).toBe('installing');
    await takeByForce(world);
    const before = contactsOf(world, first);
    expect(await world.clock.run(run)).toMatchObject(LOST);
    expect(contactsOf(world, first)).toBe(before);
    expect(world.rollout().hosts.get('1')?.outcome).toMatchObject({ kind: 'no-answer', why: 'timed-out' });
    await carriedOn(world);
  });

  it('is fenced off by the first entry of whoever took it, before its own heartbeat tells', async () => {
    const world = makeWorld();
    const first = world.process();
    const run = begin(first);
    await runUntil(world, run, 15_000);
    const second = world.process();
    const { lease } = second.context;
    const forceful: Process = {
      ...second,
      context: {
        ...second.context,
        lease: { ...lease, acquire: (actor) => lease.acquire(actor, { force: true }) },
      },
    };
    const before = contactsOf(world, first);
    const [ended, carried] = await world.clock.run(Promise.all([run, carryOn(forceful)]));
    expect(ended).toMatchObject({ kind: 'failed' });
    expect(carried).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    expect(contactsOf(world, first)).toBe(before);
    expect(checkJournal(world.journal.entries)).toEqual([]);
  });
});

describe('a runner whose lease lapses', () => {
  it('ends when no heartbeat has got through for its lifetime, and the next one carries on', async () => {
    const world = makeWorld();
    const first = world.process();
    for (let missed = 0; missed < 3; missed += 1) world.leases.failNext({ on: 'renew', kind: 'unavailable' });
    const started = world.clock.elapsedMs;
    const ended = await world.clock.run(begin(first));
    expect(ended).toMatchObject(LOST);
    expect(world.clock.elapsedMs - started).toBeLessThanOrEqual(30_000 + HEARTBEAT_MS);
    const before = contactsOf(world, first);
    await carriedOn(world);
    expect(contactsOf(world, first)).toBe(before);
  });

  it('goes on where one heartbeat got lost and the next one did not', async () => {
    const world = makeWorld();
    world.leases.failNext({ on: 'renew', kind: 'unavailable' });
    world.leases.failNext({ on: 'renew', kind: 'unavailable' });
    expect(await world.clock.run(begin(world.process()))).toMatchObject({
      kind: 'finished',
      reason: { code: 'done' },
    });
  });
});
