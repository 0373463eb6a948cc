/** What befalls hosts in the middle of a rollout: it is named, waited for, and never taken for success or for the version's fault. */
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { FOUR_LANES, GOOD, Lanes, OLD, type Scenario, type Short, said, wrote } from './scenario.ts';

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot(FOUR_LANES);
});

afterAll(async () => {
  await lanes?.fleet.down();
});

/** For `sees`: the last wave begins to be changed. */
const LAST_WAVE = wrote('hosts-intended', (body) => body.action === 'upgrade' && body.hosts.length === 1);

/** Starts a deployment that gives up soon, and waits for the moment at which `last` is about to be changed. */
async function untilLastWave(
  scenario: Scenario,
  words: readonly string[] = ['--give-up-after', '2s'],
): Promise<{ deploy: ReturnType<Scenario['start']>; last: Short; canaries: readonly Short[] }> {
  await scenario.stage(OLD, GOOD);
  const { last, canaries } = await scenario.lastHost(GOOD);
  const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json', ...words]);
  await deploy.sees('the last wave', LAST_WAVE);
  return { deploy, last, canaries };
}

/** Takes a host out of the inventory file, as if its VM had been deleted. */
async function forget(scenario: Scenario, short: Short): Promise<void> {
  const file = scenario.config.file(scenario.environment);
  const written = parse(await readFile(file, 'utf8'));
  const { name } = scenario.host(short);
  written.inventory.hosts = written.inventory.hosts.filter((host: { name: string }) => host.name !== name);
  await writeFile(file, stringify(written));
}

async function expectHeldNaming(
  ended: Awaited<ReturnType<Scenario['cli']>>,
  name: string,
  why: string,
): Promise<void> {
  expect(ended.code, said(ended)).toBe(4);
  const result = ended.events.at(-1) as { message?: string; notCovered?: { name: string }[] };
  expect(result).toMatchObject({ type: 'result', code: 'hosts-out-of-reach' });
  expect(result.message).toContain(name);
  expect(result.message).toContain(why);
  expect(result.notCovered?.map((host) => host.name)).toEqual([name]);
}

describe.concurrent('a host that', () => {
  it('freezes in the middle of its change is waited for by name; thawed, it is looked at and the rollout ends well', async () => {
    await lanes.with(async (scenario) => {
      const { deploy, last, canaries } = await untilLastWave(scenario);
      const host = scenario.host(last);
      await sleep(600);
      await host.freeze();
      await expectHeldNaming(await deploy.result, host.name, 'un');
      await scenario.expectRunning(GOOD, canaries);

      const still = await scenario.cli(['status', scenario.environment]);
      expect(still.stdout).toContain(host.name);
      expect(still.stdout).toContain(`rollout advance ${scenario.environment}`);

      await host.thaw();
      const ended = await scenario.cli(['advance', scenario.environment, '--wait']);
      expect(ended, said(ended)).toMatchObject({ code: 0 });
      await scenario.expectRunning(GOOD);
      await scenario.expectTidy();
      expect(await host.sh('grep -c " upgrade osquery:" /var/log/dpkg.log')).toBe('1');
    });
  });

  it('vanishes for good holds the rollout until the inventory says that it is gone', async () => {
    await lanes.with(async (scenario) => {
      const { deploy, last, canaries } = await untilLastWave(scenario);
      const host = scenario.host(last);
      await host.crash();
      await expectHeldNaming(await deploy.result, host.name, 'un');
      await forget(scenario, last);
      const ended = await scenario.cli(['advance', scenario.environment, '--wait']);
      expect(ended, said(ended)).toMatchObject({ code: 0 });
      await scenario.expectRunning(GOOD, canaries);
      const answers = (await scenario.entries('hosts-answered')).flatMap((body) => body.hosts);
      expect(answers.filter(({ outcome }) => outcome.kind === 'gone')).toMatchObject([{ id: host.id }]);
      expect(await scenario.entries('rollout-done')).toMatchObject([
        { notCovered: [], receipt: { hosts: 2 } },
      ]);
    });
  });

  it('reboots in the middle of its change comes out proven', async () => {
    await lanes.with(
      async (scenario) => {
        const { deploy, last } = await untilLastWave(scenario, []);
        const host = scenario.host(last);
        const before = await host.bootMark();
        await sleep(400);
        await host.exec('systemctl reboot').catch(() => undefined);
        await host.rebooted(before);
        const ended = await deploy.result;
        expect(ended.code, said(ended)).toBe(0);
        await scenario.expectRunning(GOOD);
      },
      { overrides: { limits: { hostDeadline: '60s', retryEvery: '1s' } } },
    );
  });

  it('has dpkg’s lock held for longer than a change waits is named, untouched, and changed once it is free', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { last } = await scenario.lastHost(GOOD);
      const host = scenario.host(last);
      const before = await host.running();
      const lock = await host.holdDpkgLock();
      const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
      await deploy.sees(
        'that the host is blocked',
        wrote('hosts-answered', (body) => JSON.stringify(body).includes('dpkg-locked')),
        100_000,
      );
      expect(await host.running()).toEqual(before);
      await lock.release();
      const ended = await deploy.result;
      expect(ended.code, said(ended)).toBe(0);
      await scenario.expectRunning(GOOD);
      await scenario.expectTidy();
    });
  });

  it('has a full disk is named and untouched, and changed by advance once there is room', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { last, canaries } = await scenario.lastHost(GOOD);
      const host = scenario.host(last);
      const before = await host.running();
      await host.fillDisk({ leaveKib: 500 });
      const held = await scenario.deploy(GOOD, '--json', '--give-up-after', '1s');
      await expectHeldNaming(held, host.name, 'no space');
      expect(await host.running()).toEqual(before);
      await scenario.expectRunning(GOOD, canaries);
      await scenario.expectTidy();
      await host.emptyDisk();
      const ended = await scenario.cli(['advance', scenario.environment, '--wait']);
      expect(ended, said(ended)).toMatchObject({ code: 0 });
      await scenario.expectRunning(GOOD);
    });
  });

  it('shows another host key is not spoken to: refused by default, left out and listed where that is allowed', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { last, canaries } = await scenario.lastHost(GOOD);
      const host = scenario.host(last);
      await host.changeHostKey();
      const refused = await scenario.deploy(GOOD);
      expect(refused, said(refused)).toMatchObject({ code: 4 });
      expect(refused.stderr).toMatch(new RegExp(`${host.name}: host-key-mismatch`, 'u'));
      await scenario.expectRunning(OLD);

      await scenario.configure({ limits: { unreachableHosts: 1 } });
      const ended = await scenario.deploy(GOOD);
      expect(ended, said(ended)).toMatchObject({ code: 5 });
      expect(ended.stdout).toMatch(new RegExp(`not covered +${host.name}: host-key-mismatch`, 'u'));
      await scenario.expectRunning(GOOD, canaries);
      await scenario.expectRunning(OLD, [last]);
    });
  });

  it('refuses sudo is told apart from one that cannot be reached', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const host = scenario.host('db-1');
      await host.refuseSudo();
      const refused = await scenario.deploy(GOOD);
      expect(refused, said(refused)).toMatchObject({ code: 4 });
      expect(refused.stderr).toMatch(new RegExp(`${host.name}: sudo-refused`, 'u'));
      expect(await scenario.journal()).toEqual([]);
      await scenario.expectRunning(OLD);
      await host.allowSudo();
      const planned = await scenario.cli(['plan', scenario.environment, GOOD]);
      expect(planned, said(planned)).toMatchObject({ code: 0 });
    });
  });

  it('had its service stopped or disabled by an operator is upgraded and left so', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      await scenario.host('web-1').sh('systemctl stop osqueryd');
      await scenario.host('web-2').sh('systemctl disable --now osqueryd');
      const ended = await scenario.deploy(GOOD);
      expect(ended, said(ended)).toMatchObject({ code: 0 });
      await scenario.expectRunning(GOOD, ['db-1']);
      const { packageVersion } = await scenario.fleet.package(GOOD, scenario.environment);
      const off = { active: 'inactive', mainPid: 0, installedVersion: packageVersion, packageStatus: 'ii' };
      expect(await scenario.host('web-1').running()).toMatchObject({ ...off, enabled: 'enabled' });
      expect(await scenario.host('web-2').running()).toMatchObject({ ...off, enabled: 'disabled' });

      const back = await scenario.cli(['rollback', scenario.environment]);
      expect(back, said(back)).toMatchObject({ code: 0 });
      await scenario.expectRunning(OLD, ['db-1']);
      const old = await scenario.fleet.package(OLD, scenario.environment);
      const offOld = { ...off, installedVersion: old.packageVersion };
      expect(await scenario.host('web-1').running()).toMatchObject({ ...offOld, enabled: 'enabled' });
      expect(await scenario.host('web-2').running()).toMatchObject({ ...offOld, enabled: 'disabled' });
    });
  });
});
