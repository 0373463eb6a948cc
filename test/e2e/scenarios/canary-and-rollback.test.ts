/** Canaries that are put back or kept, and rollbacks by hand. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FOUR_LANES, GOOD, Lanes, OLD, said } from './scenario.ts';

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot(FOUR_LANES);
});

afterAll(async () => {
  await lanes?.fleet.down();
});

describe.concurrent('a canary', () => {
  it('that passes is put back, without quarantine, pin or receipt', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { environment } = scenario;
      const { last, canaries } = await scenario.lastHost(GOOD);
      const ended = await scenario.cli(['canary', environment, GOOD]);
      expect(ended, said(ended)).toMatchObject({ code: 0 });
      expect(ended.stdout).toContain('canaries passed and were put back');
      await scenario.expectRunning(OLD);
      expect(await scenario.intended('upgrade')).toEqual([...canaries].sort());
      expect(await scenario.intended('upgrade')).not.toContain(last);
      expect(await scenario.entries('rolled-back')).toMatchObject([{ quarantined: [], pin: null }]);
      const releases = await scenario.cli(['releases', environment]);
      expect(releases.stdout).not.toMatch(/pinned|proven|QUARANTINED/u);
    });
  });

  it('kept stays on the version, and a deployment then changes only the others', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { environment } = scenario;
      const { last, canaries } = await scenario.lastHost(GOOD);
      const kept = await scenario.cli(['canary', environment, GOOD, '--keep']);
      expect(kept, said(kept)).toMatchObject({ code: 0 });
      await scenario.expectRunning(GOOD, canaries);
      await scenario.expectRunning(OLD, [last]);
      const before = await Promise.all(canaries.map(async (short) => await scenario.host(short).running()));

      const ended = await scenario.deploy(GOOD);
      expect(ended, said(ended)).toMatchObject({ code: 0 });
      await scenario.expectRunning(GOOD);
      expect(await Promise.all(canaries.map(async (short) => await scenario.host(short).running()))).toEqual(
        before,
      );
      expect(await scenario.intended('upgrade')).toEqual(['db-1', 'web-1', 'web-2']);
    });
  });
});

describe.concurrent('a rollback by hand', () => {
  it('after the end puts every host back, and the pin, and quarantines the version', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { environment } = scenario;
      const deployed = await scenario.deploy(GOOD);
      expect(deployed, said(deployed)).toMatchObject({ code: 0 });
      const ended = await scenario.cli(['rollback', environment, '--reason', 'dashboards are empty']);
      expect(ended, said(ended)).toMatchObject({ code: 0 });
      await scenario.expectRunning(OLD);
      await scenario.expectTidy();
      const { sha256 } = await scenario.fleet.package(GOOD, environment);
      expect(await scenario.entries('rolled-back')).toMatchObject([{ quarantined: [sha256], pin: null }]);
      const again = await scenario.cli(['rollback', environment]);
      expect(again, said(again)).toMatchObject({ code: 1 });
      expect(again.stderr).toContain('rolled back already');
    });
  });

  it('to a version goes there from wherever the hosts are, and moves the pin', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { environment } = scenario;
      const deployed = await scenario.deploy(GOOD);
      expect(deployed, said(deployed)).toMatchObject({ code: 0 });
      const ended = await scenario.cli(['rollback', environment, '--to', OLD, '--reason', 'as before']);
      expect(ended, said(ended)).toMatchObject({ code: 0 });
      await scenario.expectRunning(OLD);
      const status = await scenario.cli(['status', environment]);
      expect(status.stdout).toMatch(/pin +5\.9\.1/u);
    });
  });

  it('that does not reach a host names it and ends with 5; advance puts it back when it is there again', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { environment } = scenario;
      const deployed = await scenario.deploy(GOOD);
      expect(deployed, said(deployed)).toMatchObject({ code: 0 });
      const host = scenario.host('web-2');
      await host.netDown();
      const ended = await scenario.cli(['rollback', environment]);
      expect(ended, said(ended)).toMatchObject({ code: 5 });
      expect(ended.stdout).toContain('ROLLBACK INCOMPLETE');
      expect(ended.stdout).toMatch(new RegExp(`not back +${host.name} \\(unreachable`, 'u'));
      await scenario.expectRunning(OLD, ['web-1', 'db-1']);
      await scenario.expectRunning(GOOD, ['web-2']);
      const still = await scenario.cli(['advance', environment]);
      expect(still, said(still)).toMatchObject({ code: 5 });

      await host.netUp();
      const done = await scenario.cli(['advance', environment, '--wait']);
      expect(done, said(done)).toMatchObject({ code: 3 });
      await scenario.expectRunning(OLD);
    });
  });
});
