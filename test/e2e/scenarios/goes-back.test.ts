/**
 * Hosts that hear from nobody any more after an upgrade go back by themselves, whatever keeps the program away; and `advance`, or the
 * program itself once it reaches them again, finds that out and goes on from there.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../rig/command.ts';
import { FOUR_LANES, GOOD, Lanes, OLD, type Scenario, type Short, said, wrote } from './scenario.ts';

const STARVES_SSHD = '5.11.5';
const NEWER_DATABASE = '5.11.6';
const OLDER_DATABASE = '5.8.3';

/** Seconds after which a host that hears nothing goes back. */
const AFTER_S = 15;

const SLOW_SOAK = {
  soak: '8s',
  revertTimer: { after: `${AFTER_S}s`, disarm: 'after-soak' },
  limits: { hostDeadline: '10m', retryEvery: '1s', rollbackDeadline: '60s' },
} as const;

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot(FOUR_LANES, {
    versions: {
      [STARVES_SSHD]: { starvesSshd: true },
      [NEWER_DATABASE]: { databaseVersion: 3, burn: { percent: 60, afterMs: 6_000 } },
      [OLDER_DATABASE]: { databaseVersion: 2 },
    },
  });
});

afterAll(async () => {
  await lanes?.fleet.down();
});

async function goneBack(scenario: Scenario, shorts: readonly Short[], withinMs = 90_000): Promise<void> {
  for (const short of shorts) {
    await until(
      `${short} is back on ${OLD} by itself`,
      async () => (await scenario.host(short).running()).version === OLD,
      { timeoutMs: withinMs },
    );
  }
  await scenario.expectRunning(OLD, shorts);
}

/** Hosts of whom the journal says that they went back by themselves. */
async function foundGoneBack(scenario: Scenario): Promise<readonly string[]> {
  const ids = (await scenario.entries('hosts-answered')).flatMap(({ hosts }) =>
    hosts.filter(({ outcome }) => outcome.kind === 'went-back').map(({ id }) => id),
  );
  return [...new Set(ids)].sort();
}

/** Nothing is left that would take the version away again. */
async function expectDisarmed(scenario: Scenario): Promise<void> {
  for (const short of scenario.all) {
    const left = await scenario
      .host(short)
      .sh(
        'systemctl list-timers --all --no-legend "rollout-*"; ls /etc/systemd/system | grep -c "^rollout-" || true',
      );
    expect(left.trim(), `${short} is armed no more`).toBe('0');
  }
}

describe.concurrent('between install and confirm', () => {
  it('the program is killed with -9: the hosts go back by themselves, and advance does the wave again', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, GOOD);
        const { canaries } = await scenario.lastHost(GOOD);
        const first = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
        await first.sees('the soak', wrote('wave-acted'));
        first.kill('SIGKILL');
        await first.result;
        await scenario.expectRunning(GOOD, canaries);

        await goneBack(scenario, canaries);
        const status = await scenario.cli(['status', scenario.environment]);
        expect(status, said(status)).toMatchObject({ code: 0 });

        const ended = await scenario.cli(['advance', scenario.environment, '--wait']);
        expect(ended, said(ended)).toMatchObject({ code: 0 });
        await scenario.expectRunning(GOOD);
        await scenario.expectTidy();
        await expectDisarmed(scenario);
        expect(await foundGoneBack(scenario)).toEqual(
          canaries.map((short) => scenario.host(short).id).sort(),
        );
        expect(await scenario.entries('rollout-done')).toMatchObject([{ notCovered: [] }]);
      },
      { overrides: SLOW_SOAK },
    );
  });

  it('the network is cut: the hosts go back by themselves, are found so when it is there again, and end on the version', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, GOOD);
        const { canaries } = await scenario.lastHost(GOOD);
        const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
        await deploy.sees('the soak', wrote('wave-acted'));
        for (const short of canaries) await scenario.host(short).netDown();
        await goneBack(scenario, canaries);
        for (const short of canaries) await scenario.host(short).netUp();
        const ended = await deploy.result;
        expect(ended.code, ended.stderr).toBe(0);
        await scenario.expectRunning(GOOD);
        await expectDisarmed(scenario);
        expect(await foundGoneBack(scenario)).toEqual(
          canaries.map((short) => scenario.host(short).id).sort(),
        );
      },
      { overrides: SLOW_SOAK },
    );
  });

  it('killed, cut off and rebooted: the way back outlives the reboot', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, GOOD);
        const { canaries } = await scenario.lastHost(GOOD);
        const first = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
        await first.sees('the soak', wrote('wave-acted'));
        first.kill('SIGKILL');
        for (const short of canaries) await scenario.host(short).reboot();
        for (const short of canaries) await scenario.host(short).netDown();
        await first.result;

        await goneBack(scenario, canaries, 150_000);
        for (const short of canaries) await scenario.host(short).netUp();
        const ended = await scenario.cli(['advance', scenario.environment, '--wait']);
        expect(ended, said(ended)).toMatchObject({ code: 0 });
        await scenario.expectRunning(GOOD);
        await expectDisarmed(scenario);
      },
      { overrides: SLOW_SOAK },
    );
  });

  it('the agent starves sshd: the host goes back by itself and can be reached again', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, STARVES_SSHD);
        const { canaries, last } = await scenario.lastHost(STARVES_SSHD);
        const deploy = scenario.start(['deploy', scenario.environment, STARVES_SSHD, '--json']);
        await deploy.sees(
          'the upgrade',
          wrote('hosts-intended', ({ action }) => action === 'upgrade'),
        );
        for (const short of canaries) {
          await until(
            `${short} runs what starves sshd`,
            async () => (await scenario.host(short).running()).version === STARVES_SSHD,
            { timeoutMs: 30_000 },
          );
        }
        deploy.kill('SIGKILL');
        await deploy.result;
        await goneBack(scenario, canaries);
        for (const short of canaries)
          expect((await scenario.host(short).ssh('echo reached')).stdout).toContain('reached');
        const ended = await scenario.cli(['rollback', scenario.environment]);
        expect(ended, said(ended)).toMatchObject({ code: 0 });
        await scenario.expectRunning(OLD);
        await expectDisarmed(scenario);
        expect(await scenario.intended('upgrade')).not.toContain(last);
      },
      { overrides: SLOW_SOAK },
    );
  });
});

describe.concurrent('on the way back the database is newer than the agent', () => {
  const wayBack = (database: string) => ({ ...SLOW_SOAK, database, bake: '30s' });

  it('and may be moved aside: the agent runs again, and what it costs is said', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLDER_DATABASE, NEWER_DATABASE);
        const [canary = ''] = (await scenario.lastHost(NEWER_DATABASE)).canaries;
        const ended = await scenario.deploy(NEWER_DATABASE);
        expect(ended, said(ended)).toMatchObject({ code: 3 });
        await scenario.expectRunning(OLDER_DATABASE);
        const kept = await scenario.host(canary).sh('ls -d /var/osquery/osquery.db.rollout-*');
        expect(kept).toContain('osquery.db.rollout-');
        const history = await scenario.cli(['history', scenario.environment]);
        expect(ended.stdout + ended.stderr + history.stdout).toMatch(/enrol/u);
      },
      { overrides: wayBack('move-aside'), installed: OLDER_DATABASE },
    );
  });

  it('and must stay: the rollback is incomplete, names the hosts and says what would mend it', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLDER_DATABASE, NEWER_DATABASE);
        const ended = await scenario.deploy(NEWER_DATABASE);
        expect(ended, said(ended)).toMatchObject({ code: 5 });
        expect(ended.stdout + ended.stderr).toMatch(/database/u);
      },
      { overrides: wayBack('keep'), installed: OLDER_DATABASE },
    );
  });
});
