/** A journal that the version before newcomers and the record of the fleet has written is read and carried on. */
import { describe, expect, it } from 'vitest';
import { foldFleet } from '../../src/domain/fleet-changes.ts';
import { type Entry, sealEntry, verifyChain } from '../../src/domain/journal.ts';
import { sha256 } from '../fakes/journal-entries.ts';
import { memoryJournal } from '../fakes/memory-journal.ts';
import { ask, begin, carryOn, makeWorld, NEW, OLD, type Process, type World } from './world.ts';

/** Entries as they were before: none of the fleet. Others take their numbers, since hosts remember how far those had come. */
function olderChain(entries: readonly Entry[]): Entry[] {
  const older: Entry[] = [];
  for (const { seq: _, prev: __, hash: ___, schema: ____, ...draft } of entries) {
    const body =
      draft.body.kind === 'fleet-seen'
        ? ({ kind: 'quarantine-lifted', sha256: '0'.repeat(64) } as const)
        : draft.body;
    older.push(sealEntry(older.at(-1) ?? null, { ...draft, body }, sha256));
  }
  return older;
}

/** Killed by the older version once its canaries have passed; what it wrote is all that is known. */
async function inherited(world: World): Promise<Process> {
  const killed = world.process();
  world.onDurable = ({ body }) => {
    if (body.kind === 'wave-passed') killed.die();
  };
  expect(await world.clock.run(begin(killed))).toBe('killed');
  world.onDurable = null;
  await world.clock.advance(60_000);
  const journal = memoryJournal();
  const older = olderChain(world.journal.entries);
  expect(verifyChain(older, sha256)).toBeNull();
  expect(foldFleet(older)).toEqual({ hosts: new Map(), unknownZones: [], at: 0 });
  for (const entry of older) expect((await journal.append(entry)).ok).toBe(true);
  const process = world.process();
  return { ...process, context: { ...process.context, journal } };
}

describe('the journal of an older version', () => {
  it('is carried on to the end, and knows the fleet from then on', async () => {
    const world = makeWorld();
    const process = await inherited(world);
    expect(await world.clock.run(carryOn(process))).toMatchObject({
      kind: 'finished',
      reason: { code: 'done' },
    });
    expect(new Set(Object.values(world.running()))).toEqual(new Set([NEW]));
    const read = await process.context.journal.read(0);
    expect(read.ok && foldFleet(read.value).hosts.size).toBe(6);
  });

  it('is rolled back whole', async () => {
    const world = makeWorld();
    const process = await inherited(world);
    world.clock.after(1_000, () => {
      void ask({ ...world, process: () => process }, 'rollback');
    });
    expect(await world.clock.run(carryOn(process))).toMatchObject({ reason: { code: 'rolled-back' } });
    expect(new Set(Object.values(world.running()))).toEqual(new Set([OLD]));
  });
});
