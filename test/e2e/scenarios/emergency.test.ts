/** `osqueryd stop` at 03:00 on real hosts: what starts the agent again, what does not answer, and who else is at work. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chefRuns, installChef } from '../rig/chef.ts';
import { until } from '../rig/command.ts';
import { ALL, FOUR_LANES, GOOD, Lanes, OLD, type Scenario, said, waitsFor, wrote } from './scenario.ts';

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot(FOUR_LANES);
});

afterAll(async () => {
  await lanes?.fleet.down();
});

const CHEF = {
  controllers: [
    {
      name: 'chef',
      when: 'chef-client',
      onStop: ['chef-client-disable', '{reason}'],
      onStart: ['chef-client-enable'],
      timeout: '10s',
    },
  ],
};

/** Waits until chef-client has run to its end so many times more. */
async function chefHasRun(scenario: Scenario, times: number): Promise<void> {
  const host = scenario.host('web-1');
  const before = await chefRuns(host);
  await until('chef-client has run', async () => (await chefRuns(host)) >= before + times, {
    timeoutMs: 60_000,
  });
}

describe.concurrent('a chef-client that starts the agent every two seconds', () => {
  it('undoes a stop without a hold, and the second look says so', async () => {
    await lanes.with(async (scenario) => {
      const host = scenario.host('web-1');
      await installChef(host);
      const stopped = await scenario.osqueryd('stop', '--host', host.name, '--no-hold', '--settle', '6s');
      expect(stopped, said(stopped)).toMatchObject({ code: 5 });
      expect(stopped.stdout + stopped.stderr).toContain('started again');
      expect(stopped.stdout + stopped.stderr).toContain(host.name);
      expect(await host.running()).toMatchObject({ active: 'active' });
    });
  });

  it('does not undo a stop with the unit masked, where nobody tells it anything', async () => {
    await lanes.with(async (scenario) => {
      const host = scenario.host('web-1');
      await installChef(host);
      const stopped = await scenario.osqueryd('stop', '--host', host.name, '--settle', '5s');
      expect(stopped, said(stopped)).toMatchObject({ code: 0 });
      await chefHasRun(scenario, 2);
      await scenario.expectHeld(['web-1']);
      const started = await scenario.osqueryd('start', '--host', host.name);
      expect(started, said(started)).toMatchObject({ code: 0 });
      await scenario.expectRunning(OLD);
    });
  });

  it('runs on without an error where the brake is a condition', async () => {
    await lanes.with(
      async (scenario) => {
        const host = scenario.host('web-1');
        await installChef(host);
        const stopped = await scenario.osqueryd('stop', '--host', host.name, '--settle', '5s');
        expect(stopped, said(stopped)).toMatchObject({ code: 0 });
        await chefHasRun(scenario, 2);
        await scenario.expectHeld(['web-1']);
        expect(await host.sh('tail -n 1 /var/log/chef-client.log')).toBe('run ended with 0');
        const started = await scenario.osqueryd('start', '--host', host.name);
        expect(started, said(started)).toMatchObject({ code: 0 });
        await scenario.expectNotHeld(['web-1']);
        await scenario.expectRunning(OLD);
      },
      { overrides: { lifecycle: { brake: 'condition', settle: '1s', prove: '1s' } } },
    );
  });

  it('is told off with the reason, and told on again by the start', async () => {
    await lanes.with(
      async (scenario) => {
        const host = scenario.host('web-1');
        await installChef(host);
        const stopped = await scenario.osqueryd(
          'stop',
          '--fleet',
          '--settle',
          '5s',
          '--reason',
          "INC-12 it's the agent",
        );
        expect(stopped, said(stopped)).toMatchObject({ code: 0 });
        expect(await host.sh('cat /etc/chef/client.disabled')).toBe("INC-12 it's the agent");
        await scenario.expectHeld();
        const started = await scenario.osqueryd('start', '--fleet');
        expect(started, said(started)).toMatchObject({ code: 0 });
        expect((await host.exec('chef-client-is-enabled')).code).toBe(0);
        await scenario.expectRunning(OLD);
      },
      { overrides: CHEF },
    );
  });
});

describe.concurrent('a fleet in trouble', () => {
  it('is stopped but for the frozen host and the one without network, which are named; back again, a second stop covers them', async () => {
    await lanes.with(async (scenario) => {
      await scenario.host('web-2').freeze();
      await scenario.host('db-1').netDown();
      const stopped = await scenario.osqueryd('stop', '--fleet', '--deadline', '15s');
      expect(stopped, said(stopped)).toMatchObject({ code: 5 });
      expect(stopped.stdout).toContain('1/3');
      for (const short of ['web-2', 'db-1'] as const)
        expect(stopped.stdout + stopped.stderr).toContain(scenario.host(short).name);
      await scenario.expectHeld(['web-1']);
      const sweep = scenario.start([
        'osqueryd',
        'stop',
        '--env',
        scenario.environment,
        '--fleet',
        '--until-complete',
        '--json',
      ]);
      await sleep(3000);
      await scenario.host('web-2').thaw();
      await scenario.host('db-1').netUp();
      const swept = await sweep.result;
      expect(swept.code, said(swept)).toBe(0);
      await scenario.expectHeld();
    });
  });

  it('with a crash-looping agent shows it, and is stopped', async () => {
    await lanes.with(
      async (scenario) => {
        const status = await scenario.osqueryd('status');
        expect(status.stdout, said(status)).toMatch(/failed|restart/u);
        const stopped = await scenario.osqueryd('stop', '--fleet');
        expect(stopped, said(stopped)).toMatchObject({ code: 0 });
        await scenario.expectHeld();
      },
      { installed: '5.11.1' },
    );
  });

  it('with a unit that somebody has masked, and a host where sudo asks for a password, covers the rest and says what is the matter', async () => {
    await lanes.with(async (scenario) => {
      await scenario.host('web-1').sh('systemctl mask osqueryd');
      await scenario.host('web-2').refuseSudo();
      const stopped = await scenario.osqueryd('stop', '--fleet', '--deadline', '10s');
      expect(stopped, said(stopped)).toMatchObject({ code: 5 });
      expect(stopped.stdout + stopped.stderr).toMatch(/sudo/u);
      await scenario.expectHeld(['web-1', 'db-1']);
      expect(await scenario.host('web-2').running()).toMatchObject({ active: 'active' });
      await scenario.host('web-2').allowSudo();
      const started = await scenario.osqueryd('start', '--fleet');
      expect(started.code, said(started)).not.toBe(0);
      expect(started.stdout + started.stderr).toContain('mask');
      expect(await scenario.host('web-1').running()).toMatchObject({ processes: 0 });
      await scenario.expectRunning(OLD, ['web-2', 'db-1']);
    });
  });

  it('with a full disk is stopped all the same', async () => {
    await lanes.with(async (scenario) => {
      const host = scenario.host('web-1');
      await host.fillDisk();
      const stopped = await scenario.osqueryd('stop', '--host', host.name);
      expect([0, 5], said(stopped)).toContain(stopped.code);
      expect(await host.running()).toMatchObject({ processes: 0 });
      await host.emptyDisk();
    });
  });
});

describe.concurrent('while others are at work', () => {
  it('a stop takes over a rollout in flight: it is paused, every host is known, and a later rollback leaves them stopped', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
      await deploy.sees(
        'the canary wave begins',
        wrote('hosts-intended', (body) => body.action === 'upgrade'),
      );
      await sleep(500);
      const stopped = await scenario.osqueryd('stop', '--fleet', '--reason', 'INC-12');
      expect(stopped, said(stopped)).toMatchObject({ code: 0 });
      expect(stopped.stdout + stopped.stderr).toContain('paused');
      const ended = await deploy.result;
      expect([1, 4], said(ended)).toContain(ended.code);
      const status = await scenario.cli(['status', scenario.environment]);
      expect(status.stdout, said(status)).toContain('INC-12');
      await scenario.expectHeld();
      for (const short of ALL) {
        const { installedVersion, packageStatus } = await scenario.host(short).running();
        expect(packageStatus).toBe('ii');
        expect([`${OLD}-1.linux`, `${GOOD}-1.linux`]).toContain(installedVersion);
      }
      const back = await scenario.cli(['rollback', scenario.environment]);
      expect(back, said(back)).toMatchObject({ code: 0 });
      await scenario.expectHeld();
      for (const short of ALL)
        expect(await scenario.host(short).running()).toMatchObject({ installedVersion: `${OLD}-1.linux` });
      const started = await scenario.osqueryd('start', '--fleet');
      expect(started, said(started)).toMatchObject({ code: 0 });
      await scenario.expectRunning(OLD);
    });
  });

  it('a rollout over held hosts brings the version and leaves them stopped', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { last, canaries } = await scenario.lastHost(GOOD);
      const stopped = await scenario.osqueryd('stop', '--host', scenario.host(last).name);
      expect(stopped, said(stopped)).toMatchObject({ code: 0 });
      const deployed = await scenario.deploy(GOOD);
      expect(deployed, said(deployed)).toMatchObject({ code: 0 });
      await scenario.expectRunning(GOOD, canaries);
      await scenario.expectHeld([last]);
      expect(await scenario.host(last).running()).toMatchObject({ installedVersion: `${GOOD}-1.linux` });
      const started = await scenario.osqueryd('start', '--host', scenario.host(last).name);
      expect(started, said(started)).toMatchObject({ code: 0 });
      await scenario.expectRunning(GOOD);
    });
  });

  it('two people who stop at once both get it done, and both are in the journal', async () => {
    await lanes.with(async (scenario) => {
      const both = await Promise.all([
        scenario.osqueryd('stop', '--fleet', '--reason', 'one'),
        scenario.osqueryd('stop', '--fleet', '--reason', 'two'),
      ]);
      for (const one of both) expect(one, said(one)).toMatchObject({ code: 0 });
      await scenario.expectHeld();
      const intended = await scenario.entries('lifecycle-intended');
      expect(new Set(intended.map(({ actionId }) => actionId)).size).toBe(2);
      expect(await scenario.entries('lifecycle-ended')).toHaveLength(2);
    });
  });

  it('restarts in waves by a playbook: never all at once, watched in between', async () => {
    await lanes.with(async (scenario) => {
      const restarted = await scenario.osqueryd('restart', '--fleet', '--playbook', 'restart', '--json');
      expect(restarted, said(restarted)).toMatchObject({ code: 0 });
      expect((await scenario.entries('lifecycle-intended')).length).toBeGreaterThan(1);
      await scenario.expectRunning(OLD);
    });
  });

  it('a calm verb is locked out by a rollout, and told by whom', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
      await deploy.sees('the canary wave', wrote('wave-started'));
      const restarted = await scenario.osqueryd('restart', '--fleet');
      expect(restarted, said(restarted)).toMatchObject({ code: 6 });
      expect(restarted.stdout + restarted.stderr).toContain('rollout deploy');
      expect((await deploy.result).code).toBe(0);
      await scenario.expectRunning(GOOD);
    });
  });
});

// `waitsFor` is what a paused rollout says of itself.
describe.concurrent('a rollout that somebody else’s stop has paused', () => {
  it('goes on after resume and leaves held hosts stopped until they are started', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
      await deploy.sees('the canary wave changed', wrote('wave-acted'));
      const stopped = await scenario.osqueryd('stop', '--fleet');
      expect(stopped, said(stopped)).toMatchObject({ code: 0 });
      await deploy.result;
      const started = await scenario.osqueryd('start', '--fleet');
      expect(started, said(started)).toMatchObject({ code: 0 });
      const held = await scenario.cli(['advance', scenario.environment, '--json']);
      expect(held.events.some(waitsFor('paused')), said(held)).toBe(true);
      const resumed = await scenario.cli(['resume', scenario.environment]);
      expect(resumed, said(resumed)).toMatchObject({ code: 0 });
      const ended = await scenario.cli(['advance', scenario.environment, '--wait']);
      expect(ended, said(ended)).toMatchObject({ code: 0 });
      await scenario.expectRunning(GOOD);
    });
  });
});
