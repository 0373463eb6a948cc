/** Bad versions, each bad in its own way, are stopped in the canary wave, and whoever had them is put back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../rig/command.ts';
import { FOUR_LANES, GOOD, Lanes, OLD, type Scenario, said, wrote } from './scenario.ts';

const BURNS_CPU = '5.11.0';
const CRASHES_AT_ONCE = '5.11.1';
const CANNOT_INSTALL = '5.11.2';
const CANNOT_START = '5.11.3';
const CRASHES_LATER = '5.11.4';

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot(FOUR_LANES);
});

afterAll(async () => {
  await lanes?.fleet.down();
});

/** Deploys it and asserts all that is the same whatever is wrong with it; gives what was printed. */
async function expectCaught(scenario: Scenario, version: string): Promise<string> {
  await scenario.stage(OLD, version);
  const { last, canaries } = await scenario.lastHost(version);
  // Both its processes are there at last, on a machine that is busy.
  const untouched = await until('the last host is as it will be', async () => {
    const now = await scenario.host(last).running();
    return now.processes === 2 && now;
  });

  const ended = await scenario.deploy(version);
  expect(ended, said(ended)).toMatchObject({ code: 3 });
  expect(ended.stdout).toContain('ROLLED BACK');

  await scenario.expectRunning(OLD);
  await scenario.expectTidy(canaries);
  expect(await scenario.host(last).running()).toEqual(untouched);
  expect(await scenario.intended('upgrade')).not.toContain(last);
  const agent = await scenario.fleet.package(version, scenario.environment);
  expect(await scenario.entries('rolled-back')).toEqual([
    { kind: 'rolled-back', quarantined: [agent.sha256], pin: null },
  ]);

  const again = await scenario.deploy(version);
  expect(again, said(again)).toMatchObject({ code: 1 });
  expect(again.stderr).toContain('is quarantined');
  expect(await scenario.entries('rolled-back')).toHaveLength(1);
  return ended.stdout;
}

describe.concurrent('a version that', () => {
  it('burns CPU fails the CPU gate; the number, the limit and the host are told', async () => {
    await lanes.with(async (scenario) => {
      const told = await expectCaught(scenario, BURNS_CPU);
      expect(told).toMatch(/why +\S+-(db|web)-\d used 0\.\d+ cores at .*, limit 0\.1 cores/u);
      const listed = await scenario.cli(['quarantine', 'list', scenario.environment]);
      const { sha256 } = await scenario.fleet.package(BURNS_CPU, scenario.environment);
      expect(listed.stdout).toContain(sha256);
      const lifted = await scenario.cli(['quarantine', 'lift', sha256, '--reason', 'was the exporter']);
      expect(lifted, said(lifted)).toMatchObject({ code: 0 });
      const planned = await scenario.cli(['plan', scenario.environment, BURNS_CPU]);
      expect(planned, said(planned)).toMatchObject({ code: 0 });
    });
  });

  it('crashes at once is caught by the proof on the host', async () => {
    await lanes.with(async (scenario) => {
      expect(await expectCaught(scenario, CRASHES_AT_ONCE)).toContain('start-failed');
    });
  });

  it('crashes every 5 s is caught, although it proves itself after its restart', async () => {
    await lanes.with(
      async (scenario) => {
        expect(await expectCaught(scenario, CRASHES_LATER)).toMatch(/restarts|start-failed/u);
      },
      {
        overrides: {
          gates: [
            { use: 'agent-restarts', window: '8s', limit: 0 },
            { use: 'agent-alive', window: '4s', for: '3s' },
          ],
        },
      },
    );
  });

  it('fails in its install script leaves no half-configured package behind', async () => {
    await lanes.with(async (scenario) => {
      const told = await expectCaught(scenario, CANNOT_INSTALL);
      expect(told).toContain('install-failed');
      expect(told).toContain('the install script of this version fails');
    });
  });

  it('cannot start is caught by the proof on the host', async () => {
    await lanes.with(async (scenario) => {
      expect(await expectCaught(scenario, CANNOT_START)).toContain('start-failed');
    });
  });
});

describe.concurrent('a version that turns bad late', () => {
  it('in the bake: all hosts go back, those of the waves that had passed too', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, GOOD);
        const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
        await deploy.sees('the bake', wrote('bake-started'));
        await scenario.expectRunning(GOOD);
        await scenario.host('db-1').sh('systemctl stop osqueryd');
        const ended = await deploy.result;
        expect(ended.code, ended.stderr).toBe(3);
        await scenario.expectRunning(OLD);
        const [started] = await scenario.entries('rollback-started');
        expect(started?.cause).toMatchObject({ kind: 'verdict', judgement: { kind: 'fail' } });
        expect(await scenario.intended('revert')).toEqual(['db-1', 'web-1', 'web-2']);
        expect(await scenario.entries('rolled-back')).toMatchObject([{ pin: null }]);
      },
      { overrides: { bake: '20s' } },
    );
  });
});
