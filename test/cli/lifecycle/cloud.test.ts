/** A stop while Compute Engine does not answer: the last known list serves, how old it is is said, and what it cannot hold is named. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fleetOf } from '../../fakes/google/compute-fleet.ts';
import { type FakeCompute, startComputeServer } from '../../fakes/google/compute-server.ts';
import { type FakeIdentity, startIdentity } from '../../fakes/google/identity.ts';
import { jsonLines, makePlace, OSQUERYD, type Ran } from '../rig.ts';

const place = makePlace();
const dir = join(place.folder, 'cloud');
let identity: FakeIdentity;
let compute: FakeCompute;
let env: Record<string, string>;

const osqueryd = (...words: readonly string[]): Promise<Ran> => place.run(words, { env, main: OSQUERYD });

beforeAll(async () => {
  identity = await startIdentity({ folder: place.folder });
  compute = await startComputeServer({ vms: fleetOf({ count: 3, project: 'sandbox-project' }) });
  env = {
    ROLLOUT_CONFIG: dir,
    ROLLOUT_COMPUTE_ENDPOINT: compute.url,
    ROLLOUT_IAMCREDENTIALS_ENDPOINT: identity.url,
  };
  mkdirSync(join(dir, 'environments'), { recursive: true });
  // Nobody is reached: there is no key to log in with.
  writeFileSync(
    join(dir, 'environments/lab.yaml'),
    `environment: lab
inventory: { kind: gce, projects: [sandbox-project], credentials: { keyFile: ${identity.keyFile} } }
artifacts: { kind: local, path: ${dir}/artifacts }
journal: { kind: local, path: ${dir}/journal }
ssh: { user: ops, agent: true, knownHosts: [${dir}/known_hosts], connectTimeout: 1s }
prometheus: { url: "http://127.0.0.1:9" }
`,
  );
}, 60_000);
afterEach(() => compute.calm());
afterAll(async () => {
  await Promise.all([compute.close(), identity.close()]);
  await place.remove();
}, 60_000);

const silence = (): void => compute.fault(/aggregated/, { kind: 'silent' }, Number.POSITIVE_INFINITY);

describe('Compute Engine is silent', () => {
  it('and nobody has listed it before: a stop says so and ends with 1', async () => {
    silence();
    const ran = await osqueryd('stop', '--fleet', '--yes', '--dry-run');
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('lab');
  }, 60_000);

  it('the list of the last time serves a stop, with its age', async () => {
    const before = await osqueryd('stop', '--fleet', '--dry-run');
    expect(before.stderr).toContain('list  of ');
    expect(before.code).toBe(0);
    silence();
    const dry = await osqueryd('stop', '--fleet', '--dry-run');
    expect(dry.code).toBe(0);
    expect(dry.stderr).toMatch(/lab {2}stop 3 hosts/u);
    expect(dry.stderr).toMatch(/LAST KNOWN, \S+ old \(.*this machine’s last listing/u);
  }, 120_000);

  it('the list of another configuration’s environment of the same name does not serve: its hosts are not meant', async () => {
    const other = join(place.folder, 'other');
    mkdirSync(join(other, 'environments'), { recursive: true });
    const written = readFileSync(join(dir, 'environments/lab.yaml'), 'utf8');
    const theirs = written.replace('[sandbox-project]', '[another-project]').replaceAll(dir, other);
    writeFileSync(join(other, 'environments/lab.yaml'), theirs);
    silence();
    const ran = await osqueryd('stop', '--fleet', '--yes', '--dry-run', '--config', other);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('neither this machine nor the journal has an earlier list');
  }, 60_000);

  it('what came of it names every host and the VMs that no list can hold, and is 5', async () => {
    silence();
    const ran = await osqueryd('stop', '--fleet', '--yes', '--deadline', '1s', '--settle', '0s', '--json');
    expect(ran.code).toBe(5);
    const result = jsonLines(ran.stdout).find(({ type }) => type === 'result');
    expect(result).toMatchObject({ environment: 'lab', exit: 5, covered: 0 });
    const left = result?.['notCovered'] as readonly { name: string; why: string }[];
    expect(left).toHaveLength(4);
    expect(left.at(-1)).toMatchObject({ name: 'newer VMs' });
  }, 120_000);
});
