/** A good version goes all the way: staging, its bake, and production with its own file. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bootFleet, type Fleet } from '../rig/fleet.ts';
import { GOOD, laneHosts, OLD, Scenario, said, wrote } from './scenario.ts';

let fleet: Fleet;
let folder: string;
let gstg: Scenario;
let gprd: Scenario;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollout-scenario-'));
  fleet = await bootFleet({ hosts: [...laneHosts('gstg'), ...laneHosts('gprd')] });
  gstg = new Scenario({ fleet, environment: 'gstg', folder });
  gprd = new Scenario({ fleet, environment: 'gprd', folder });
  await gprd.configure();
  await gstg.configure();
});

afterAll(async () => {
  await fleet?.down();
  await rm(folder, { recursive: true, force: true });
});

describe('a good version', () => {
  it('is staged for both environments at once, each with its own file', async () => {
    for (const version of [OLD, GOOD]) {
      const [a, b] = [await fleet.package(version, 'gstg'), await fleet.package(version, 'gprd')];
      const words = ['stage', version, '--package', `gstg=${a.file}`, '--package', `gprd=${b.file}`];
      const staged = await gstg.cli(words);
      expect(staged, said(staged)).toMatchObject({ code: 0 });
      expect(staged.stdout).toContain(a.sha256);
      expect(staged.stdout).toContain(b.sha256);
      const again = await gstg.cli(words);
      expect(again, said(again)).toMatchObject({ code: 0 });
    }
  });

  it('is planned without changing anything', async () => {
    const planned = await gstg.cli(['plan', 'gstg', GOOD]);
    expect(planned, said(planned)).toMatchObject({ code: 0 });
    expect(planned.stdout).toMatch(/wave 1 \(canary\)\s+2 hosts/u);
    expect(await gstg.journal()).toEqual([]);
    await gstg.expectRunning(OLD);
  });

  it('cannot be promoted before staging has baked, nor while it does', async () => {
    const early = await gprd.cli(['promote', 'gprd']);
    expect(early, said(early)).toMatchObject({ code: 4 });
    expect(early.stderr).toContain('gstg has not proven any version yet');

    const deploy = gstg.start(['deploy', 'gstg', GOOD, '--json']);
    await deploy.sees('the bake', wrote('bake-started'));
    const during = await gprd.cli(['promote', 'gprd']);
    expect(during, said(during)).toMatchObject({ code: 4 });
    expect(during.stderr).toContain('gprd waits for its bake');
    await gprd.expectRunning(OLD);

    const ended = await deploy.result;
    expect(ended, said(ended)).toMatchObject({ code: 0 });
    await gstg.expectRunning(GOOD);
    await gstg.expectTidy();
    expect(await gstg.intended('upgrade')).toEqual(['db-1', 'web-1', 'web-2']);
    expect(await gstg.entries('rollout-done')).toMatchObject([
      { notCovered: [], receipt: { environment: 'gstg', version: GOOD, hosts: 3 } },
    ]);
  });

  it('goes to production as production’s own file once staging has proven it', async () => {
    const promoted = await gprd.cli(['promote', 'gprd', '--reason', 'staging has baked']);
    expect(promoted, said(promoted)).toMatchObject({ code: 0 });
    await gprd.expectRunning(GOOD);
    await gprd.expectTidy();
    const own = await fleet.package(GOOD, 'gprd');
    const [planned] = await gprd.entries('rollout-planned');
    expect(planned).toMatchObject({
      rolloutKind: 'promote',
      artifacts: { amd64: { sha256: own.sha256 } },
      receipt: { environment: 'gstg', version: GOOD },
    });
    expect((await gprd.journal()).find((entry) => entry.body.kind === 'rollout-planned')?.reason).toBe(
      'staging has baked',
    );
  });

  it('shows in status, releases and history', async () => {
    const status = await gprd.cli(['status']);
    expect(status, said(status)).toMatchObject({ code: 0, stderr: '' });
    expect(status.stdout).toMatch(/gstg {2}deploy of 5\.10\.2 {2}done/u);
    expect(status.stdout).toMatch(/gprd {2}promote of 5\.10\.2 {2}done/u);
    const releases = await gprd.cli(['releases', 'gprd']);
    expect(releases.stdout).toMatch(/5\.10\.2 .*pinned, proven/u);
    const history = await gprd.cli(['history', 'gprd', '--verify']);
    expect(history, said(history)).toMatchObject({ code: 0 });
    expect(history.stdout).toMatch(/chain whole: \d+ entries/u);
    expect(history.stdout).toContain('staging has baked');
  });

  it('asked for again is a success that touches nothing', async () => {
    const before = await fleet.running('gstg');
    const entries = (await gstg.journal()).length;
    const again = await gstg.deploy(GOOD);
    expect(again, said(again)).toMatchObject({ code: 0 });
    expect(again.stdout).toContain('nothing to do');
    expect(await fleet.running('gstg')).toEqual(before);
    expect(await gstg.journal()).toHaveLength(entries);
  });
});
