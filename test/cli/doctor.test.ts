/** `rollout doctor` and `rollout config check` as a person or CI runs them: on the sandbox, on Google's fakes, on what is broken. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECK_AREAS } from '../../src/ports/self-check.ts';
import { fleetOf } from '../fakes/google/compute-fleet.ts';
import { type FakeCompute, startComputeServer } from '../fakes/google/compute-server.ts';
import { type FakeIdentity, startIdentity } from '../fakes/google/identity.ts';
import { type FakeStorage, startStorageServer } from '../fakes/google/storage-server.ts';
import { jsonLines, type Line, lastLine, makePlace, type Ran } from './rig.ts';

const place = makePlace();
let identity: FakeIdentity;
let compute: FakeCompute;
let storage: FakeStorage;
/** Takes every question and says nothing. */
let silent: Server;

beforeAll(async () => {
  identity = await startIdentity({ folder: place.folder });
  compute = await startComputeServer({
    vms: fleetOf({
      count: 12,
      gkeOneIn: 4,
      project: 'sandbox-project',
      all: { internalAddress: '127.0.0.1' },
    }),
  });
  storage = await startStorageServer({
    buckets: [{ name: 'my-bucket', versioning: true, uniformAccess: false }],
    publicKeys: { [identity.email]: identity.publicKey },
  });
  silent = createServer(() => undefined);
  await new Promise<void>((resolve) => {
    silent.listen(0, '127.0.0.1', resolve);
  });
  expect(await place.run(['sandbox', 'up'])).toMatchObject({ code: 0 });
}, 60_000);
afterAll(async () => {
  silent.closeAllConnections();
  silent.close();
  await Promise.all([identity.close(), compute.close(), storage.close()]);
  await place.remove();
}, 60_000);

const checksOf = (ran: Ran): Line[] => jsonLines(ran.stdout).filter(({ type }) => type === 'check');
const find = (ran: Ran, what: string, area?: string): Line | undefined =>
  checksOf(ran).find(
    (line) => String(line['what']).startsWith(what) && (area === undefined || line['area'] === area),
  );

function cloudFolder(name: string, more = ''): string {
  const dir = join(place.folder, `cloud-${name}`);
  mkdirSync(join(dir, 'environments'), { recursive: true });
  const { port } = silent.address() as AddressInfo;
  writeFileSync(
    join(dir, `environments/${name}.yaml`),
    `environment: ${name}
inventory: { kind: gce, projects: [sandbox-project], credentials: { keyFile: ${identity.keyFile} } }
artifacts: { kind: gcs, bucket: my-bucket, prefix: uptycs, credentials: { keyFile: ${identity.keyFile} } }
journal: { kind: gcs, bucket: my-bucket, prefix: rollout, credentials: { keyFile: ${identity.keyFile} } }
ssh: { user: ops, port: 9, identityFiles: [${join(place.stateDir, 'sandbox/id_ed25519')}], connectTimeout: 500ms }
prometheus: { url: "http://127.0.0.1:${port}", timeout: 1s }
${more}`,
  );
  return dir;
}

const cloudEnv = (): Record<string, string> => ({
  ROLLOUT_COMPUTE_ENDPOINT: compute.url,
  ROLLOUT_STORAGE_ENDPOINT: storage.url,
  ROLLOUT_IAMCREDENTIALS_ENDPOINT: identity.url,
  METADATA_SERVER_DETECTION: 'none',
});

describe('the sandbox', () => {
  it('is well: exit 0, every area but Google’s is asked, nothing failed', async () => {
    const ran = await place.run(['doctor', 'sandbox-gstg', '--json']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const lines = checksOf(ran);
    expect(new Set(lines.map((line) => line['area']))).toEqual(
      new Set(['configuration', 'credentials', 'inventory', 'hosts', 'artifacts', 'journal', 'metrics']),
    );
    expect([...new Set(lines.map((line) => line['area']))]).toEqual([...CHECK_AREAS]);
    expect(lines.filter((line) => line['area'] === 'hosts')).toHaveLength(4);
    expect(find(ran, 'sample of hosts')).toMatchObject({ found: expect.stringMatching(/^3 of 8 /u) });
    expect(find(ran, 'staged packages')).toMatchObject({ kind: 'warning' });
    expect(lastLine(ran)).toMatchObject({ type: 'result', exit: 0, code: 'healthy', counts: { failed: 0 } });
    expect(ran.stdout).not.toMatch(/gcloud|gs:/u);
  }, 30_000);

  it('is shown by area, with a summary, and nothing of it changes the journal', async () => {
    const ran = await place.run(['doctor', 'sandbox-gprd', '--hosts', '5']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^sandbox-gprd\n {2}configuration\n {4}ok {7}folder/u);
    expect(ran.stdout.match(/host key, ssh and sudo are right/gu)).toHaveLength(5);
    expect(ran.stdout.match(/free, clock within 5 s/gu)).toHaveLength(5);
    expect(ran.stdout).toMatch(/gate agent-memory .* MB \(bad above 250 MB\)/u);
    expect(ran.stdout).toMatch(/\d+ ok, 1 warning, 0 failed/u);
    expect((await place.run(['history', 'sandbox-gprd', '--json'])).stdout).toBe('');
  }, 30_000);

  it('whose host keys are lost fails at every host, with what to compare', async () => {
    const dir = join(place.folder, 'no-keys');
    mkdirSync(join(dir, 'environments'), { recursive: true });
    const empty = join(place.folder, 'empty_known_hosts');
    writeFileSync(empty, '');
    const text = `environment: lost
inventory: { kind: static, file: "\${state}/sandbox/gstg-hosts.yaml" }
artifacts: { kind: local, path: ${dir}/a }
journal: { kind: local, path: ${dir}/j }
ssh: { user: ops, identityFiles: ["\${state}/sandbox/id_ed25519"], knownHosts: [${empty}] }
prometheus: { url: "http://127.0.0.1:9" }
`;
    writeFileSync(join(dir, 'environments/lost.yaml'), text);
    const ran = await place.run(['doctor', 'lost', '--config', dir, '--json']);
    expect(ran.code).toBe(1);
    const hosts = checksOf(ran).filter((line) => line['area'] === 'hosts' && line['kind'] !== 'ok');
    expect(hosts).toHaveLength(3);
    for (const host of hosts)
      expect(host).toMatchObject({
        kind: 'failed',
        found: expect.stringContaining('host key'),
        mend: expect.stringMatching(/console prints for: ssh-keygen -lf .*only where it is the same/u),
      });
    expect(find(ran, 'Prometheus')).toMatchObject({ kind: 'failed' });
  }, 30_000);
});

describe('an environment in Google Cloud', () => {
  it('is asked for real: what is right, what is a warning, what fails, each with its mend', async () => {
    const dir = cloudFolder('gstg');
    storage.deny('*', 'storage.objects.delete');
    const ran = await place.run(['doctor', 'gstg', '--config', dir, '--json'], { env: cloudEnv() });
    storage.allowAll();
    expect(ran.code).toBe(1);
    expect(ran.stderr).toBe('');
    expect(find(ran, 'for inventory, artifacts, journal')).toMatchObject({
      kind: 'ok',
      found: expect.stringContaining(identity.email),
    });
    expect(find(ran, 'compute.instances.list')).toMatchObject({ kind: 'ok' });
    expect(find(ran, 'list of VMs')).toMatchObject({
      kind: 'ok',
      found: expect.stringContaining('3 exempt'),
    });
    expect(find(ran, 'permissions on gs://my-bucket', 'journal')).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('storage.objects.delete'),
      mend: expect.stringContaining('roles/storage.objectUser'),
    });
    expect(find(ran, 'access to gs://my-bucket')).toMatchObject({
      kind: 'warning',
      mend: 'gcloud storage buckets update gs://my-bucket --uniform-bucket-level-access',
    });
    expect(find(ran, 'delivery by signed-url')).toMatchObject({ kind: 'ok' });
    expect(find(ran, 'Prometheus')).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('no answer within'),
    });
    for (const line of checksOf(ran))
      if (line['kind'] === 'failed' || line['kind'] === 'warning')
        expect(line['mend'], JSON.stringify(line)).toMatch(/./u);
    expect(ran.stdout).not.toMatch(/X-Goog-Signature|ya29|PRIVATE KEY/u);
  }, 60_000);

  it('with credentials that Google refuses is one failure of them, not one of everything', async () => {
    const dir = cloudFolder('refused');
    identity.mood = 'refuses';
    const ran = await place.run(['doctor', 'refused', '--config', dir, '--json'], { env: cloudEnv() });
    identity.mood = 'well';
    expect(ran.code).toBe(1);
    const failed = checksOf(ran).filter((line) => line['kind'] === 'failed');
    expect(failed.map((line) => line['area'])).toEqual(['credentials', 'metrics']);
    expect(find(ran, 'permissions on')).toMatchObject({
      kind: 'skipped',
      found: expect.stringContaining('signed in'),
    });
  }, 60_000);

  it('Ctrl-C is answered at once, with 130, though nobody else answers', async () => {
    const dir = cloudFolder('slow');
    identity.mood = 'silent';
    const { port } = silent.address() as AddressInfo;
    const started = place.start(['doctor', 'slow', '--config', dir, '--json'], {
      env: { ...cloudEnv(), ROLLOUT_STORAGE_ENDPOINT: `http://127.0.0.1:${port}` },
    });
    await started.says(/places/u);
    const began = performance.now();
    started.kill('SIGINT');
    const ran = await started.ended;
    identity.mood = 'well';
    expect(ran.code).toBe(130);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(lastLine(ran)).toMatchObject({ type: 'result', exit: 130, code: 'interrupted' });
  }, 30_000);
});

describe('--offline', () => {
  it('asks nobody, and tells of freezes and exemptions', async () => {
    const dir = cloudFolder(
      'frozen',
      `freeze:\n  - { from: 2020-01-01, until: 2099-01-01, reason: for ever }\ntargeting:\n  exempt:\n    - { when: 'role == "x"', reason: old, until: 2021-01-01 }\n`,
    );
    const before = compute.requests.length + storage.requests.length;
    const ran = await place.run(['doctor', 'frozen', '--offline', '--config', dir], { env: cloudEnv() });
    expect(compute.requests.length + storage.requests.length).toBe(before);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('for ever');
    expect(ran.stdout).toContain('exempt[0]');
    expect(ran.stdout).toMatch(/2 warnings, 0 failed/u);
  });

  it('says of a key, an SSH key and known hosts that are not there, or are anybody’s, what mends it', async () => {
    const dir = join(place.folder, 'files');
    mkdirSync(join(dir, 'environments'), { recursive: true });
    const open = join(dir, 'open_key');
    writeFileSync(open, '', { mode: 0o644 });
    writeFileSync(
      join(dir, 'environments/files.yaml'),
      `environment: files
inventory: { kind: gce, projects: [sandbox-project], hostKeys: known-hosts, credentials: { keyFile: ${dir}/no.json } }
artifacts: { kind: local, path: ${dir}/a }
journal: { kind: local, path: ${dir}/j }
ssh: { user: ops, identityFiles: [${dir}/no_key, ${open}], knownHosts: [${dir}/no_hosts] }
prometheus: { url: "http://127.0.0.1:9" }
`,
    );
    const ran = await place.run(['doctor', 'files', '--offline', '--config', dir, '--json']);
    expect(ran.code).toBe(1);
    const told = checksOf(ran).filter((line) => line['area'] === 'credentials');
    expect(told.map(({ kind, found }) => `${String(kind)} ${String(found)}`)).toEqual([
      expect.stringMatching(/^failed .*no\.json cannot be read \(ENOENT\)/u),
      expect.stringMatching(/^failed .*no_key does not exist/u),
      expect.stringMatching(/^ok .*open_key is there/u),
      expect.stringMatching(/^warning .*open_key has mode 0644/u),
      expect.stringMatching(/^failed .*no_hosts \(does not exist\)/u),
    ]);
  });

  it('is all that happens to what ships, when nobody names it', async () => {
    const ran = await place.run(['doctor', '--json'], { env: { ROLLOUT_CONFIG: '' }, cwd: '/' });
    expect(lastLine(ran)).toMatchObject({ offline: true });
    expect(find(ran, 'folder')).toMatchObject({
      kind: 'warning',
      mend: expect.stringContaining('rollout init'),
    });
  });
});

describe('several environments', () => {
  it('are told in the order in which a version comes to them, one after the other', async () => {
    const dir = join(place.folder, 'order');
    mkdirSync(join(dir, 'environments'), { recursive: true });
    for (const [name, from] of [
      ['a-last', 'm-middle'],
      ['m-middle', 'z-first'],
      ['z-first', null],
    ] as const)
      writeFileSync(
        join(dir, `environments/${name}.yaml`),
        `environment: ${name}
${from === null ? '' : `promotesFrom: ${from}`}
inventory: { kind: static, hosts: [{ id: "${name}", name: ${name}, address: ${name}.example.com, zone: z-a, role: web }] }
artifacts: { kind: local, path: ${dir}/${name}/a }
journal: { kind: local, path: ${dir}/${name}/j }
ssh: { user: ops, agent: true }
prometheus: { url: "http://127.0.0.1:9" }
`,
      );
    const ran = await place.run(['doctor', '--offline', '--config', dir, '--json']);
    const names = checksOf(ran).map((line) => String(line['environment']));
    expect(names.filter((name, at) => name !== names[at - 1])).toEqual(['z-first', 'm-middle', 'a-last']);
    expect(lastLine(ran)).toMatchObject({ environments: ['z-first', 'm-middle', 'a-last'] });
  });
});

describe('a journal that nobody may read', () => {
  it('in a bucket is a failure of the journal and of the lease, which is nobody’s', async () => {
    const dir = cloudFolder('denied');
    storage.deny('*', 'storage.objects.get');
    storage.deny('*', 'storage.objects.list');
    const ran = await place.run(['doctor', 'denied', '--config', dir, '--json'], { env: cloudEnv() });
    storage.allowAll();
    for (const what of ['journal', 'lease'])
      expect(find(ran, what, 'journal')).toMatchObject({ kind: 'failed', mend: expect.stringMatching(/./u) });
    expect(ran.stdout).not.toContain('unknown@unknown');
  }, 60_000);

  it('in a folder is one too', async () => {
    const dir = join(place.folder, 'denied-folder');
    mkdirSync(join(dir, 'environments'), { recursive: true });
    // A file where the folder should be: nobody can read it, root neither.
    writeFileSync(join(dir, 'j'), '');
    writeFileSync(
      join(dir, 'environments/folder.yaml'),
      `environment: folder
inventory: { kind: static, hosts: [{ id: "1", name: w, address: 127.0.0.1, port: 9, zone: z-a, role: web }] }
artifacts: { kind: local, path: ${dir}/a }
journal: { kind: local, path: ${dir}/j }
ssh: { user: ops, agent: true }
prometheus: { url: "http://127.0.0.1:9" }
`,
    );
    const ran = await place.run(['doctor', 'folder', '--config', dir, '--json']);
    for (const what of ['journal', 'lease'])
      expect(find(ran, what, 'journal')).toMatchObject({ kind: 'failed', mend: expect.stringMatching(/./u) });
    expect(ran.stdout).not.toContain('unknown@unknown');
  }, 60_000);
});

describe('files that are wrong', () => {
  it('end with 2 and their problems; the others are looked at all the same', async () => {
    const dir = join(place.folder, 'wrong');
    mkdirSync(join(dir, 'environments'), { recursive: true });
    writeFileSync(join(dir, 'environments/bad.yaml'), 'environment: bad\ninventory: [\n');
    const ran = await place.run(['doctor', 'bad', '--config', dir]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/bad\.yaml:\d+:\d+/u);
    expect(ran.stdout).toContain('rollout config check bad');
  });

  it('an unknown environment is refused with the nearest name', async () => {
    const ran = await place.run(['doctor', 'sandbox-gsgt']);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('did you mean sandbox-gstg?');
  });

  it('an endpoint that would send tokens in the clear is refused before anything is asked', async () => {
    const dir = cloudFolder('clear');
    const ran = await place.run(['doctor', 'clear', '--config', dir, '--json'], {
      env: { ...cloudEnv(), ROLLOUT_STORAGE_ENDPOINT: 'http://storage.example.com' },
    });
    expect(ran.code).toBe(2);
    expect(find(ran, 'wiring')).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('ROLLOUT_STORAGE_ENDPOINT'),
    });
  });
});

describe('config check', () => {
  it('names the folder that it fell back to', async () => {
    const ran = await place.run(['config', 'check'], { env: { ROLLOUT_CONFIG: '' }, cwd: '/' });
    expect(ran.code).toBe(0);
    expect(ran.stderr).toMatch(/no environments\/ in \/: this is what ships with rollout, in \//u);
  });

  it('of one environment tells of that one alone', async () => {
    const dir = join(place.folder, 'two');
    mkdirSync(join(dir, 'environments'), { recursive: true });
    writeFileSync(join(dir, 'environments/bad.yaml'), 'environment: bad\ninventory: [\n');
    const good = `environment: good
inventory: { kind: static, hosts: [{ id: "1", name: w, address: 127.0.0.1, zone: z-a, role: web }] }
artifacts: { kind: local, path: ${dir}/a }
journal: { kind: local, path: ${dir}/j }
ssh: { user: ops, agent: true }
prometheus: { url: "http://127.0.0.1:9" }
`;
    writeFileSync(join(dir, 'environments/good.yaml'), good);
    expect(await place.run(['config', 'check', 'good', '--config', dir])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect((await place.run(['config', 'check', 'bad', '--config', dir])).code).toBe(2);
    const unknown = await place.run(['config', 'check', 'god', '--config', dir]);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('did you mean good?');
  });
});
