import { describe, expect, it } from 'vitest';
import type { Pin } from '../../src/domain/journal.ts';
import type { Result } from '../../src/domain/result.ts';
import { EMPTY_STATE, type EnvironmentState } from '../../src/domain/state.ts';
import type { Refusal } from '../../src/engine/context.ts';
import { type InstallPlan, isUncovered, prepareInstall } from '../../src/engine/lifecycle-packages.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';
import { makeWorld, NEW, type World } from './world.ts';

function worldWith(...absent: string[]): World {
  const world = makeWorld();
  for (const name of absent) {
    world.fleet.host(name).packageState = 'absent';
    world.fleet.host(name).stop();
  }
  return world;
}

function pinOf(world: World, version: 'old' | 'fresh' = 'old'): Pin {
  const { version: name, sha256 } = world.artifacts[version];
  return { version: name, digests: { amd64: sha256 } };
}

function prepare(
  world: World,
  more: Partial<EnvironmentState> = {},
  signal?: AbortSignal,
): Promise<Result<InstallPlan, Refusal>> {
  const { context } = world.process();
  const chosen = [...world.fleet.hosts.values()].map(({ host }) => host).reverse();
  const state = { ...EMPTY_STATE, pin: pinOf(world), ...more };
  return world.clock.run(prepareInstall(context, { chosen, state }, signal));
}

const refusal = (result: Result<InstallPlan, Refusal>): Refusal | null => (result.ok ? null : result.error);

describe('an install is refused before any host is touched', () => {
  it('without a pin, with the command that makes one', async () => {
    expect(refusal(await prepare(worldWith('h1'), { pin: null }))).toMatchObject({
      code: 'no-pin',
      next: 'rollout deploy gstg VERSION',
    });
  });

  it('where the pinned digest is not in the store, although its version is', async () => {
    const world = worldWith('h1');
    const other = artifactOf('another file', { environment: 'gstg', version: '5.10.1' }).sha256;
    const pin = { version: '5.10.1', digests: { amd64: other } };
    expect(refusal(await prepare(world, { pin }))).toMatchObject({
      code: 'artifact-not-found',
      next: `rollout stage 5.10.1 --package gstg=FILE --sha256 gstg=${other}`,
    });
  });

  it('where the stored bytes are altered or lost, or the store does not answer', async () => {
    const world = worldWith('h1');
    world.store.alter(world.artifacts.old.sha256, new Uint8Array(1));
    expect(refusal(await prepare(world))).toMatchObject({ code: 'artifact-altered' });
    world.store.loseBytes(world.artifacts.old.sha256);
    expect(refusal(await prepare(world))).toMatchObject({ code: 'artifact-not-found' });
    world.store.failNext({ on: 'verify', kind: 'unavailable' });
    expect(refusal(await prepare(world))).toMatchObject({
      code: 'artifact-unavailable',
      next: 'rollout doctor gstg',
    });
    world.store.failNext({ on: 'list', kind: 'unavailable' });
    expect(refusal(await prepare(world))).toMatchObject({ code: 'store-failed' });
  });

  it('where the pinned digest is quarantined; another digest of the version does not matter here', async () => {
    const world = worldWith('h1');
    const held = { version: '5.10.1', architecture: 'amd64', rolloutId: 'r1', at: 0 };
    const { sha256 } = world.artifacts.old;
    expect(refusal(await prepare(world, { quarantine: [{ ...held, sha256 }] }))).toMatchObject({
      code: 'quarantined',
      message: expect.stringContaining('rolled back in r1'),
    });
    const elsewhere = world.artifacts.fresh.sha256;
    expect((await prepare(world, { quarantine: [{ ...held, sha256: elsewhere }] })).ok).toBe(true);
  });

  it('where it is called off while hosts are looked at', async () => {
    expect(refusal(await prepare(worldWith('h1'), {}, AbortSignal.abort()))).toMatchObject({
      exit: 'interrupted',
    });
  });
});

it('an altered package that no chosen host needs refuses nothing', async () => {
  const world = worldWith();
  world.store.alter(world.artifacts.old.sha256, new Uint8Array(1));
  expect(await prepare(world)).toMatchObject({ ok: true, value: { hosts: [] } });
});

it('only who lacks the package gets it; everybody else is named with the reason', async () => {
  const world = worldWith('h1', 'h2', 'h6');
  const { old, fresh } = world.artifacts;
  world.fleet.host('h2').architecture = 'arm64';
  world.fleet.host('h3').drift(fresh.control.version, fresh.executable.sha256);
  world.fleet.host('h4').packageState = 'broken';
  world.fleet.cutOff.add('5');
  const prepared = await prepare(world);
  if (!prepared.ok) throw new Error(prepared.error.message);
  const { hosts, artifacts, leftOut, version } = prepared.value;
  expect(version).toBe('5.10.1');
  expect(hosts.map(({ name }) => name)).toEqual(['h1', 'h6']);
  expect([...artifacts]).toEqual([
    ['1', old],
    ['6', old],
  ]);
  expect(leftOut.map(({ host, kind, why }) => [host.name, kind, why])).toEqual([
    ['h2', 'no-artifact', 'the pin has 5.10.1 for amd64, and it is arm64'],
    ['h3', 'other-version', expect.stringContaining(`${NEW}-1.linux, and an install changes no version`)],
    ['h4', 'broken', expect.stringContaining('`osqueryd remove` it there first')],
    ['h5', 'no-answer', expect.stringContaining('connect timed out')],
  ]);
  expect(leftOut.filter(isUncovered).map(({ host }) => host.name)).toEqual(['h2', 'h4', 'h5']);
});

it("the pin's version with another environment's file is another version", async () => {
  const world = worldWith();
  const { old } = world.artifacts;
  world.fleet.host('h2').drift(old.control.version, 'f'.repeat(64));
  const prepared = await prepare(world);
  expect(prepared.ok && prepared.value.leftOut.map(({ host, kind }) => [host.name, kind])).toEqual([
    ['h1', 'already-there'],
    ['h2', 'other-version'],
    ['h3', 'already-there'],
    ['h4', 'already-there'],
    ['h5', 'already-there'],
    ['h6', 'already-there'],
  ]);
});
