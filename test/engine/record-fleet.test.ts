/** What the journal keeps of the fleet while rollouts go on. */
import { describe, expect, it } from 'vitest';
import { foldFleet } from '../../src/domain/fleet-changes.ts';
import { recordedUntil } from '../../src/domain/recorded-until.ts';
import { reportFleet } from '../../src/engine/fleet-report.ts';
import { CrashError } from '../fakes/crash-error.ts';
import { begin, makeWorld, NEW, someHosts } from './world.ts';

const small = { hosts: someHosts(4), policy: { soakMs: 10_000, bakeMs: 15_000 } } as const;

describe('the record of the fleet', () => {
  it('says at every time who was there and what ran: before, in the middle, after', async () => {
    const world = makeWorld(small);
    await world.clock.run(begin(world.process()));
    const { entries } = world.journal;
    const { old, fresh } = world.artifacts;
    const versionsAt = (at = Number.POSITIVE_INFINITY) =>
      [...foldFleet(recordedUntil(entries, at).entries).hosts.values()].map(({ name, agent }) => [
        name,
        agent.kind === 'installed' ? agent.packageVersion : agent.kind,
        agent.kind === 'installed' ? agent.runningSha256 : '',
      ]);
    const started = entries.find(({ body }) => body.kind === 'wave-started')?.at ?? 0;
    const soaking = entries.find(({ body }) => body.kind === 'wave-acted')?.at ?? 0;
    const before = [old.control.version, old.executable.sha256];
    const after = [fresh.control.version, fresh.executable.sha256];
    expect(versionsAt(started)).toEqual(['h1', 'h2', 'h3', 'h4'].map((name) => [name, ...before]));
    expect(versionsAt(soaking)).toEqual([
      ['h1', ...after],
      ['h2', ...after],
      ['h3', ...before],
      ['h4', ...before],
    ]);
    expect(versionsAt()).toEqual(['h1', 'h2', 'h3', 'h4'].map((name) => [name, ...after]));
  });

  it('is a full list once, and afterwards nothing but what changed', async () => {
    const world = makeWorld(small);
    await world.clock.run(begin(world.process()));
    await world.clock.run(begin(world.process()));
    expect(world.bodies('fleet-seen').map(({ seen, gone }) => [seen.length, gone.length])).toEqual([
      [4, 0],
      // The end of the first, the beginning of the second, which waits for a person.
      [0, 0],
      [0, 0],
    ]);
    const last = world.journal.entries.findLast(({ body }) => body.kind === 'fleet-seen');
    expect(foldFleet(world.journal.entries)).toMatchObject({ at: last?.at, unknownZones: [] });
  });

  it('knows since when a VM is gone, and not of one in a zone that could not be listed', async () => {
    const world = makeWorld(small);
    world.clock.after(3_000, () => {
      world.fleet.deleted.add('4');
      world.fleet.deleted.add('2');
      world.fleet.unknownZones.add('z2');
    });
    await world.clock.run(begin(world.process()));
    const { hosts, unknownZones } = foldFleet(world.journal.entries);
    expect(hosts.get('4')?.goneAt).toEqual(expect.any(Number));
    expect([hosts.get('2')?.goneAt, unknownZones]).toEqual([null, ['z2']]);
  });

  it('that cannot be written never fails the rollout: it is told, and written the next time', async () => {
    const world = makeWorld(small);
    let refused = 0;
    world.journal.failBy((call) => {
      if (call.on !== 'append' || call.entry.body.kind !== 'fleet-seen' || refused >= 7) return undefined;
      refused += 1;
      return { on: 'append', kind: 'unavailable' };
    });
    const end = await world.clock.run(begin(world.process()));
    expect(end).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    const told = world.events.flatMap((event) => (event.kind === 'notice' ? [event.reason.code] : []));
    expect(told).toContain('fleet-not-recorded');
    expect([...foldFleet(world.journal.entries).hosts.keys()].sort()).toEqual(['1', '2', '3', '4']);
    expect(world.running()).toEqual({ h1: NEW, h2: NEW, h3: NEW, h4: NEW });
  });

  it('of a fleet of several entries counts only whole: whoever is killed between two leaves nothing', async () => {
    const world = makeWorld({ hosts: someHosts(1_100) });
    const record = () =>
      world.clock.run(reportFleet(world.process().context, { how: { kind: 'list' }, record: true }));
    const asRecorded = async () => {
      const at = world.clock.now();
      return world.clock.run(reportFleet(world.process().context, { how: { kind: 'recorded', at } }));
    };
    world.journal.failBy((call) =>
      call.on === 'append' && world.bodies('fleet-seen').length === 1
        ? { on: 'append', kind: 'crash-after' }
        : undefined,
    );
    await expect(record()).rejects.toThrow(CrashError);
    world.journal.failBy(null);
    expect(world.bodies('fleet-seen').map(({ seen }) => seen.length)).toEqual([500, 500]);
    expect(await asRecorded()).toMatchObject({ ok: false, error: { code: 'no-record' } });
    expect((await record()).ok).toBe(true);
    expect(world.bodies('fleet-seen').map(({ seen }) => seen.length)).toEqual([500, 500, 500, 500, 100]);
    const told = await asRecorded();
    expect(told.ok && told.value.rows.length).toBe(1_100);
  });
});
