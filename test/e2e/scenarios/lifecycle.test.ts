/** Every verb of the lifecycle on real hosts, by what systemctl, /proc and dpkg say afterwards. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALL, FOUR_LANES, Lanes, OLD, said } from './scenario.ts';

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot(FOUR_LANES);
});

afterAll(async () => {
  await lanes?.fleet.down();
});

describe.concurrent('the agent of a fleet', () => {
  it('is stopped, stays stopped, and is started again', async () => {
    await lanes.with(async (scenario) => {
      const stopped = await scenario.osqueryd('stop', '--fleet', '--reason', 'it eats "production" $(now)');
      expect(stopped, said(stopped)).toMatchObject({ code: 0 });
      expect(stopped.stdout).toContain('3/3');
      await scenario.expectHeld();
      const hold = await scenario.host('web-1').sh('cat /var/lib/rollout/hold');
      expect(hold).toContain('it eats "production" $(now)');

      const status = await scenario.osqueryd('status');
      expect(status, said(status)).toMatchObject({ code: 0 });
      expect(status.stdout).toContain('it eats');
      const holds = await scenario.cli(['holds', scenario.environment]);
      expect(holds.stdout).toContain('west-web-1'.replace('west', scenario.environment));

      const started = await scenario.osqueryd('start', '--fleet');
      expect(started, said(started)).toMatchObject({ code: 0 });
      await scenario.expectRunning(OLD);
      await scenario.expectNotHeld();
      expect((await scenario.cli(['holds', scenario.environment])).stdout).not.toContain('web-1');
      await scenario.expectTidy();
    });
  });

  it('is restarted: other processes, same version; one host alone when one is named', async () => {
    await lanes.with(async (scenario) => {
      const before = await scenario.fleet.running(scenario.environment);
      const one = await scenario.osqueryd(
        'restart',
        '--host',
        `${scenario.environment}-web-*`,
        '--except',
        `${scenario.environment}-web-2`,
      );
      expect(one, said(one)).toMatchObject({ code: 0 });
      const after = await scenario.fleet.running(scenario.environment);
      for (const short of ALL) {
        const name = `${scenario.environment}-${short}`;
        const [was, is] = [before[name]?.mainPid, after[name]?.mainPid];
        if (short === 'web-1') expect(is).not.toBe(was);
        else expect(is).toBe(was);
      }
      await scenario.expectRunning(OLD);
    });
  });

  it('is disabled and enabled for boot, which changes nothing now; with --now it does both', async () => {
    await lanes.with(async (scenario) => {
      const host = scenario.host('web-1');
      const only = ['--host', host.name];
      const disabled = await scenario.osqueryd('disable', ...only);
      expect(disabled, said(disabled)).toMatchObject({ code: 0 });
      expect(await host.running()).toMatchObject({ enabled: 'disabled', active: 'active', processes: 2 });
      await host.reboot();
      expect(await host.running()).toMatchObject({ enabled: 'disabled', processes: 0 });

      const enabled = await scenario.osqueryd('enable', '--now', ...only);
      expect(enabled, said(enabled)).toMatchObject({ code: 0 });
      expect(await host.running()).toMatchObject({ enabled: 'enabled', active: 'active', processes: 2 });
      await host.reboot();
      expect(await host.running()).toMatchObject({ enabled: 'enabled', active: 'active', processes: 2 });

      const off = await scenario.osqueryd('disable', '--now', ...only);
      expect(off, said(off)).toMatchObject({ code: 0 });
      await scenario.expectHeld(['web-1']);
      await host.reboot();
      await scenario.expectHeld(['web-1']);
      const on = await scenario.osqueryd('enable', '--now', ...only);
      expect(on, said(on)).toMatchObject({ code: 0 });
      await scenario.expectRunning(OLD);
      await scenario.expectNotHeld();
    });
  });

  it('is stopped through a reboot', async () => {
    await lanes.with(async (scenario) => {
      const host = scenario.host('db-1');
      const stopped = await scenario.osqueryd('stop', '--host', host.name);
      expect(stopped, said(stopped)).toMatchObject({ code: 0 });
      await host.reboot();
      await scenario.expectHeld(['db-1']);
      const started = await scenario.osqueryd('start', '--host', host.name);
      expect(started, said(started)).toMatchObject({ code: 0 });
      await scenario.expectRunning(OLD);
    });
  });

  it('is removed, purged without a trace, and installed again from the pin', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage('5.8.2', OLD);
        const deployed = await scenario.deploy(OLD);
        expect(deployed, said(deployed)).toMatchObject({ code: 0 });
        const host = scenario.host('web-1');
        const removed = await scenario.osqueryd('remove', '--host', host.name);
        expect(removed, said(removed)).toMatchObject({ code: 0 });
        expect(await host.running()).toMatchObject({
          processes: 0,
          installedVersion: `${OLD}-1.linux`,
          packageStatus: expect.stringMatching(/^rc/u),
        });

        const whole = await scenario.osqueryd('purge', '--fleet');
        expect(whole, said(whole)).toMatchObject({ code: 2 });
        expect(await host.sh('ls -d /etc/default/osqueryd')).toBe('/etc/default/osqueryd');

        await host.sh(
          'mkdir -p /var/osquery/osquery.db /var/log/osquery && echo x > /var/osquery/osquery.db/CURRENT',
        );
        const purged = await scenario.osqueryd('purge', '--host', host.name);
        expect(purged, said(purged)).toMatchObject({ code: 0 });
        expect(await host.running()).toMatchObject({ processes: 0, installedVersion: '' });
        expect(
          (
            await host.exec(
              'ls -d /opt/osquery /etc/osquery /var/osquery /var/log/osquery /etc/default/osqueryd 2>/dev/null',
            )
          ).stdout,
        ).toBe('');

        const installed = await scenario.osqueryd('install', '--fleet');
        expect(installed, said(installed)).toMatchObject({ code: 0 });
        await scenario.expectRunning(OLD);
      },
      { installed: '5.8.2' },
    );
  });
});
