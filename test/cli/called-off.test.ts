/** Ctrl-C while Compute Engine says nothing: the command ends at once with 130 and says what was called off. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { demoPackage, writeDemoPackages } from '../../src/cli/demo-packages.ts';
import { fleetOf } from '../fakes/google/compute-fleet.ts';
import { type FakeCompute, startComputeServer } from '../fakes/google/compute-server.ts';
import { type FakeIdentity, startIdentity } from '../fakes/google/identity.ts';
import { jsonLines, makePlace, type Ran } from './rig.ts';

const place = makePlace();
const dir = join(place.folder, 'cloud');
let identity: FakeIdentity;
let compute: FakeCompute;
let env: Record<string, string>;

beforeAll(async () => {
  identity = await startIdentity({ folder: place.folder });
  compute = await startComputeServer({ vms: fleetOf({ count: 3, project: 'sandbox-project' }) });
  env = {
    ROLLOUT_CONFIG: dir,
    ROLLOUT_COMPUTE_ENDPOINT: compute.url,
    ROLLOUT_IAMCREDENTIALS_ENDPOINT: identity.url,
  };
  mkdirSync(join(dir, 'environments'), { recursive: true });
  writeFileSync(
    join(dir, 'environments/lab.yaml'),
    `environment: lab
inventory: { kind: gce, projects: [sandbox-project], credentials: { keyFile: ${identity.keyFile} } }
artifacts: { kind: local, path: ${dir}/artifacts }
journal: { kind: local, path: ${dir}/journal }
ssh: { user: ops, agent: true, knownHosts: [${dir}/known_hosts] }
prometheus: { url: "http://127.0.0.1:9" }
`,
  );
  await writeDemoPackages(dir);
  const file = demoPackage(dir, 'gstg', '5.10.2');
  expect(await place.run(['stage', '5.10.2', '--package', `lab=${file}`], { env })).toMatchObject({
    code: 0,
  });
}, 60_000);
afterEach(() => {
  compute.calm();
  identity.mood = 'well';
});
afterAll(async () => {
  await Promise.all([compute.close(), identity.close()]);
  await place.remove();
}, 60_000);

/** Begins, waits until `asked` has something new, and presses Ctrl-C once. */
async function calledOff(words: readonly string[], asked: readonly string[]): Promise<Ran & { ms: number }> {
  const before = asked.length;
  const started = place.start(words, { env });
  await expect.poll(() => asked.length, { timeout: 10_000, interval: 20 }).toBeGreaterThan(before);
  const began = performance.now();
  started.kill('SIGINT');
  return { ...(await started.ended), ms: performance.now() - began };
}

const COMMANDS = [
  ['plan', 'lab', '5.10.2'],
  ['deploy', 'lab', '5.10.2', '--yes'],
  ['fleet', 'lab'],
  ['fleet', 'lab', '--record'],
  ['coverage', 'lab'],
];

describe('a silent Compute Engine', () => {
  it.each(COMMANDS.map((words) => [words.join(' '), words] as const))(
    'Ctrl-C ends `%s` within 2 s',
    async (_what, words) => {
      compute.fault(/aggregated/, { kind: 'silent' }, Number.POSITIVE_INFINITY);
      const ran = await calledOff(words, compute.requests);
      expect(ran).toMatchObject({ code: 130, signal: null, stdout: '' });
      expect(ran.stderr).toContain('listing the VMs of lab was called off');
      expect(ran.stderr).not.toMatch(/a bug|could not be listed/u);
      expect(ran.ms).toBeLessThan(2_000);
      expect((await place.run(['history', 'lab', '--json'], { env })).stdout).toBe('');
    },
  );

  it('with --json: one line, exit 130', async () => {
    compute.fault(/aggregated/, { kind: 'silent' }, Number.POSITIVE_INFINITY);
    const ran = await calledOff(['fleet', 'lab', '--json'], compute.requests);
    expect(ran).toMatchObject({ code: 130, stderr: '' });
    expect(jsonLines(ran.stdout)).toMatchObject([{ type: 'refusal', exit: 130, code: 'called-off' }]);
  });

  it('announces no stopping on hosts where a command changes nothing', async () => {
    compute.fault(/aggregated/, { kind: 'silent' }, Number.POSITIVE_INFINITY);
    expect((await calledOff(['plan', 'lab', '5.10.2'], compute.requests)).stderr).not.toContain('stopping');
  });
});

describe('a silent sign-in', () => {
  it('keeps the process no longer either', async () => {
    identity.mood = 'silent';
    const ran = await calledOff(['fleet', 'lab'], identity.requests);
    expect(ran).toMatchObject({ code: 130, stdout: '' });
    expect(ran.stderr).toContain('listing the VMs of lab was called off');
    expect(ran.ms).toBeLessThan(2_000);
  });
});
