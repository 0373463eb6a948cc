/** What `plan` says of a rollout that nothing refuses and that would stand all the same. */
import { describe, expect, it } from 'vitest';
import type { RolloutKind } from '../../src/domain/journal.ts';
import { err, ok } from '../../src/domain/result.ts';
import { refuse } from '../../src/engine/context.ts';
import { type PlanNotesRequest, planNotes } from '../../src/engine/plan-notes.ts';
import { preparePlan } from '../../src/engine/prepare-plan.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';
import { ask, begin, makeWorld, NEW, type World } from './world.ts';

async function notesOf(
  world: World,
  kind: RolloutKind = 'deploy',
  more: Partial<PlanNotesRequest> & { readonly others?: readonly World[] } = {},
): Promise<string[]> {
  const { context } = world.process();
  const { others = [], ...rest } = more;
  const prepared = await world.clock.run(preparePlan(context, { version: NEW, quarantine: [] }));
  if (!prepared.ok) throw new Error(prepared.error.message);
  const line = [context, ...others.map((other) => other.process().context)];
  const state = world.state();
  const request = { kind, version: NEW, state, prepared: prepared.value, line, hasChange: false, ...rest };
  const notes = await world.clock.run(planNotes(context, request));
  return notes.map(({ code, message }) => `${code}: ${message}`);
}

const HOUR = 3_600_000;

describe('nothing is said', () => {
  it('of a rollout that would just go', async () => {
    expect(await notesOf(makeWorld())).toEqual([]);
  });

  it('of a way back, whatever closes the way forward', async () => {
    const world = makeWorld();
    world.freeze.push({ from: 0, until: world.clock.now() + HOUR, reason: 'the end of the year' });
    expect(await notesOf(world, 'rollback')).toEqual([]);
  });
});

describe('a freeze', () => {
  it('says that it is one, why, and when waves may begin', async () => {
    const world = makeWorld();
    const until = world.clock.now() + HOUR;
    world.freeze.push({ from: 0, until, reason: 'the end of the year' });
    const at = new Date(until).toISOString();
    expect(await notesOf(world)).toEqual([
      `frozen: frozen until ${at}: the end of the year; waves may begin again at ${at}`,
    ]);
  });
});

describe('a change request', () => {
  const required = (world: World) => {
    Object.assign(world.environment, { change: { required: true, pattern: '^C[0-9]+$' } });
    return world;
  };

  it('that is wanted is named with the command', async () => {
    expect(await notesOf(required(makeWorld()))).toEqual([
      expect.stringContaining(`rollout deploy gstg ${NEW} --change REFERENCE, a reference like ^C[0-9]+$`),
    ]);
  });

  it('that is given is not asked for', async () => {
    expect(await notesOf(required(makeWorld()), 'deploy', { hasChange: true })).toEqual([]);
  });
});

describe('a version that somebody names for an environment behind another', () => {
  const gprd = () => makeWorld({ name: 'gprd', promotesFrom: 'gstg' });
  const receipt = (version: string) =>
    ok({ environment: 'gstg', version, rolloutId: 'gstg-2', at: 1, observedMs: 1, sha256: {} } as never);

  it('is taken only when that one has proven it', async () => {
    expect(await notesOf(gprd(), 'promote', { proven: receipt(NEW) })).toEqual([]);
    expect(await notesOf(gprd(), 'promote', { proven: receipt('5.9.0') })).toEqual([
      expect.stringContaining('not-proven: gstg has proven 5.9.0'),
    ]);
    const busy = err(refuse('held', 'predecessor-busy', 'gstg is still at 5.10.2 (baking)'));
    expect(await notesOf(gprd(), 'promote', { proven: busy })).toEqual([
      expect.stringContaining('gstg is still at 5.10.2 (baking)'),
    ]);
  });
});

describe('agents that are stopped', () => {
  const stop = (world: World, names: readonly string[]) => {
    for (const host of world.fleet.hosts.values()) if (names.includes(host.host.name)) host.stop();
  };

  it('on all canaries: the rollout would stand at no-witness', async () => {
    const world = makeWorld();
    stop(world, ['h1', 'h2', 'h3', 'h4', 'h5', 'h6']);
    expect(await notesOf(world)).toEqual([
      expect.stringMatching(/not running on 6 of 6 hosts .*would stand at no-witness behind wave 1/u),
    ]);
  });

  it('on some hosts: they are named', async () => {
    const world = makeWorld();
    stop(world, ['h1']);
    const [note] = await notesOf(world);
    expect(note).toContain('not running on 1 of 6 hosts of the plan (h1)');
    expect(note).not.toContain('no-witness');
  });
});

describe('what is under way', () => {
  it('and is the same is carried on by its own plan; paused it says so', async () => {
    const world = makeWorld();
    const stop = new AbortController();
    world.clock.after(20_000, () => stop.abort());
    await world.clock.run(begin(world.process(), {}, { signal: stop.signal }));
    await ask(world, 'pause', 'somebody is paged');
    Object.assign(world.environment, { change: { required: true } });
    const notes = await notesOf(world);
    expect(notes.filter((note) => note.startsWith('change-needed'))).toEqual([]);
    expect(notes).toContainEqual(
      expect.stringMatching(/carries-on: gstg-\d+ \(deploy of 5\.10\.2, paused\).*rollout resume gstg/u),
    );
  });
});

describe('the very file of another environment', () => {
  it('is named with both', async () => {
    const other = makeWorld({ name: 'gprd', promotesFrom: 'gstg' });
    expect(await notesOf(makeWorld(), 'deploy', { others: [other] })).toEqual([]);
    other.store.seed(artifactOf(`gstg ${NEW}`, { environment: 'gprd', version: NEW }));
    expect(await notesOf(makeWorld(), 'deploy', { others: [other] })).toEqual([
      expect.stringContaining('for gstg is the very file that is staged for gprd (sha256'),
    ]);
  });
});
