/** What was staged is what is installed, or nothing is. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GOOD, Lanes, OLD, type Scenario, said, wrote } from './scenario.ts';

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot(['north', 'east']);
});

afterAll(async () => {
  await lanes?.fleet.down();
});

/** Changes one byte of a version's package where it is stored. */
async function alter(scenario: Scenario, version: string): Promise<void> {
  const store = scenario.config.artifacts(scenario.environment);
  const { sha256, file } = await scenario.fleet.package(version, scenario.environment);
  const size = (await readFile(file)).length;
  for (const entry of await readdir(store, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    if (bytes.length !== size || !path.includes(sha256)) continue;
    const at = bytes.length - 100;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(path, bytes);
    return;
  }
  throw new Error(`no stored package of ${version} was found under ${store}`);
}

describe.concurrent('a package that was altered in the store', () => {
  it('before the start: the rollout is refused and no host is touched', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const before = await scenario.fleet.running(scenario.environment);
      await alter(scenario, GOOD);
      const ended = await scenario.deploy(GOOD);
      expect(ended, said(ended)).toMatchObject({ code: 1 });
      expect(ended.stderr).toMatch(/staged package of 5\.10\.2 .* cannot be trusted/u);
      expect(await scenario.journal()).toEqual([]);
      expect(await scenario.fleet.running(scenario.environment)).toEqual(before);
    });
  });

  it('before the start, the one that leads back: refused as well', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      await alter(scenario, OLD);
      const ended = await scenario.deploy(GOOD);
      expect(ended, said(ended)).toMatchObject({ code: 1 });
      expect(ended.stderr).toMatch(/staged package of 5\.9\.1 .* cannot be trusted/u);
      await scenario.expectRunning(OLD);
    });
  });

  it('between two waves: it halts, the next wave never gets it, and a rollback takes the first back', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { last, canaries } = await scenario.lastHost(GOOD);
      const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
      await deploy.sees('the canary wave changed', wrote('wave-acted'));
      await alter(scenario, GOOD);
      const ended = await deploy.result;
      expect(ended.code, ended.stderr).toBe(4);
      expect(ended.events.at(-1)).toMatchObject({ type: 'result', code: 'artifact-altered' });
      expect(await scenario.intended('upgrade')).toEqual([...canaries].sort());
      await scenario.expectRunning(GOOD, canaries);
      await scenario.expectRunning(OLD, [last]);
      expect(await scenario.entries('halted')).toMatchObject([{ code: 'artifact-altered' }]);

      const status = await scenario.cli(['status', scenario.environment]);
      expect(status.stdout).toContain('HALTED');
      const still = await scenario.cli(['advance', scenario.environment]);
      expect(still, said(still)).toMatchObject({ code: 4 });

      const back = await scenario.cli(['rollback', scenario.environment, '--reason', 'altered']);
      expect(back, said(back)).toMatchObject({ code: 0 });
      await scenario.expectRunning(OLD);
    });
  });
});
