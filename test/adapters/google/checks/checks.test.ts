/** Against fakes that speak Google's protocols, through Google's own authentication and libraries. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/adapters/clock/system-clock.ts';
import { type GoogleAsker, googleAsker } from '../../../../src/adapters/google/checks/ask.ts';
import { stateCheck } from '../../../../src/adapters/google/checks/bucket-state.ts';
import { computeChecks } from '../../../../src/adapters/google/checks/compute.ts';
import { credentialCheck } from '../../../../src/adapters/google/checks/credentials.ts';
import { type BucketUse, permissionCheck } from '../../../../src/adapters/google/checks/permissions.ts';
import type { GceInventorySettings } from '../../../../src/domain/cloud.ts';
import type { Finding, SelfCheck } from '../../../../src/ports/self-check.ts';
import { fleetOf } from '../../../fakes/google/compute-fleet.ts';
import { type FakeCompute, startComputeServer } from '../../../fakes/google/compute-server.ts';
import { type FakeIdentity, startIdentity } from '../../../fakes/google/identity.ts';
import { type FakeOsLogin, startOsLogin } from '../../../fakes/google/os-login.ts';
import { type FakeStorage, startStorageServer } from '../../../fakes/google/storage-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'rollout-checks-'));
let identity: FakeIdentity;
let compute: FakeCompute;
let storage: FakeStorage;
/** The fake server's clock beside ours, ms. */
let skew = 0;

beforeAll(async () => {
  identity = await startIdentity({ folder });
  const hostKeys = { 'ssh-ed25519': 'AAAA' };
  compute = await startComputeServer({
    vms: fleetOf({ count: 6, all: { hostKeys } }),
    projects: ['sandbox', 'empty'],
  });
  storage = await startStorageServer({
    buckets: [
      { name: 'b', versioning: true },
      { name: 'paid', requesterPays: true },
    ],
    now: () => Date.now() + skew,
  });
});
afterAll(async () => {
  await Promise.all([identity.close(), compute.close(), storage.close()]);
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  identity.mood = 'well';
  skew = 0;
  storage.allowAll();
  storage.clearFaults();
  compute.denied.clear();
  compute.disabled.clear();
  chmodSync(identity.keyFile, 0o600);
});

const asker = (more: { keyFile?: string; impersonate?: string } = {}): GoogleAsker =>
  googleAsker({
    credentials: { keyFile: identity.keyFile, ...more },
    endpoints: { compute: compute.url, storage: storage.url, iamCredentials: identity.url },
    signInMs: 2_000,
  });
const ask = async (check: SelfCheck): Promise<readonly Finding[]> => check.run(new AbortController().signal);
const words = (findings: readonly Finding[]): string[] => findings.map(({ kind, what }) => `${kind} ${what}`);
const mendOf = (finding: Finding | undefined): string =>
  finding !== undefined && 'mend' in finding ? finding.mend : '';

describe('credentials', () => {
  const check = (more = {}): Promise<readonly Finding[]> =>
    ask(credentialCheck({ asker: asker(more), usedFor: 'inventory', defaultFiles: [] }));

  it('that work say whose they are and where they are from', async () => {
    const findings = await check();
    expect(words(findings)).toEqual(['ok for inventory', 'ok file of the key']);
    expect(findings[0]?.found).toContain(identity.email);
    expect(findings[0]?.found).toContain(identity.keyFile);
  });

  it('in a file that others can read are a warning, besides', async () => {
    chmodSync(identity.keyFile, 0o644);
    const findings = await check();
    expect(words(findings)).toEqual(['ok for inventory', 'warning file of the key']);
    expect(mendOf(findings[1])).toBe(`chmod 600 ${identity.keyFile}`);
  });

  it('that Google refuses, cannot be read or are no key fail, and show nothing of the key', async () => {
    const broken = join(folder, 'broken.json');
    writeFileSync(broken, '{"type":"service_account","private_key":"SECRET"}', { mode: 0o600 });
    identity.mood = 'refuses';
    const all = [
      await check(),
      await check({ keyFile: join(folder, 'nowhere.json') }),
      await check({ keyFile: broken }),
    ];
    for (const [first] of all) {
      expect(first).toMatchObject({ kind: 'failed' });
      expect(mendOf(first)).not.toBe('');
      expect(JSON.stringify(first)).not.toContain('SECRET');
    }
  });

  it('that may not act as another account fail with the grant', async () => {
    identity.mood = 'refuses-impersonation';
    const [first] = await check({ impersonate: 'deploy@p.iam.gserviceaccount.com' });
    expect(first).toMatchObject({ kind: 'failed' });
    expect(`${first?.found} ${mendOf(first)}`).toContain('roles/iam.serviceAccountTokenCreator');
  });

  it('that may act as another account are that account', async () => {
    const [first] = await check({ impersonate: 'deploy@p.iam.gserviceaccount.com' });
    expect(first).toMatchObject({
      kind: 'ok',
      found: expect.stringContaining('deploy@p.iam.gserviceaccount.com, impersonated'),
    });
  });
});

describe('permissions on a bucket', () => {
  const check = (use: BucketUse, bucket = 'b'): Promise<readonly Finding[]> =>
    ask(
      permissionCheck({
        place: { kind: 'gcs', bucket, prefix: 'uptycs', credentials: {} },
        use,
        asker: asker(),
        file: 'gprd.yaml',
      }),
    );

  it('that are all there are right', async () => {
    expect(await check('journal')).toMatchObject([
      { kind: 'ok', found: 'objects: create, get, list, delete' },
    ]);
    expect(await check('artifacts')).toMatchObject([{ kind: 'ok', found: 'objects: get, list, create' }]);
  });

  it.each(['create', 'get', 'list', 'delete'])(
    'the journal without %s fails with the grant',
    async (verb) => {
      storage.deny('*', `storage.objects.${verb}`);
      const [first] = await check('journal');
      expect(first).toMatchObject({
        kind: 'failed',
        found: `serviceAccount:${identity.email} lacks storage.objects.${verb}`,
      });
      expect(mendOf(first)).toBe(
        `gcloud storage buckets add-iam-policy-binding gs://b --member=serviceAccount:${identity.email} --role=roles/storage.objectUser`,
      );
    },
  );

  it('packages need no delete, and without create it is a warning: only stage needs it', async () => {
    storage.deny('*', 'storage.objects.delete');
    expect(await check('artifacts')).toMatchObject([{ kind: 'ok' }]);
    storage.deny('*', 'storage.objects.create');
    const [first] = await check('artifacts');
    expect(first).toMatchObject({ kind: 'warning', found: expect.stringContaining('not stage') });
    expect(mendOf(first)).toContain('roles/storage.objectCreator');
  });

  it('that a condition gives for the folder alone are found there', async () => {
    // What Cloud Storage answers for the bucket as a whole, while the folder's own calls go through.
    const server = await startStorageServer({ buckets: [{ name: 'b' }] });
    const answers = storageWithoutBucketGrants(server);
    const findings = await ask(
      permissionCheck({
        place: { kind: 'gcs', bucket: 'b', prefix: 'uptycs', credentials: {} },
        use: 'journal',
        asker: answers,
        file: 'gprd.yaml',
      }),
    );
    expect(findings).toMatchObject([
      { kind: 'ok', found: expect.stringContaining('by a condition on the folder') },
    ]);
    expect(server.buckets.get('b')?.versions).toEqual([]);
    await server.close();
  });

  it('nothing is ever written', async () => {
    storage.deny('*', 'storage.objects.create', 'storage.objects.delete');
    await check('journal');
    expect(storage.buckets.get('b')?.versions).toEqual([]);
  });

  it('of a bucket that is not there fail with what makes it', async () => {
    const [first] = await check('artifacts', 'nowhere');
    expect(first).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('there is no bucket nowhere'),
    });
    expect(mendOf(first)).toContain('gcloud storage buckets create gs://nowhere');
  });

  it('where the requester pays and nobody is named fail with the key to set', async () => {
    const [first] = await check('journal', 'paid');
    expect(first).toMatchObject({ kind: 'failed', mend: 'set journal.project in gprd.yaml' });
  });

  it('of a server that is away, or breaks off, fail and name it', async () => {
    storage.fault({ kind: 'reset', times: 9 });
    expect(await check('journal')).toMatchObject([
      { kind: 'failed', found: expect.stringContaining(storage.url) },
    ]);
    storage.clearFaults();
    storage.fault({ kind: 'truncated-body', times: 9 });
    expect(await check('journal')).toMatchObject([{ kind: 'failed' }]);
  });
});

/** An asker for which the bucket as a whole grants nothing. */
function storageWithoutBucketGrants(server: FakeStorage): GoogleAsker {
  const real = googleAsker({
    credentials: { keyFile: identity.keyFile },
    endpoints: { storage: server.url, iamCredentials: identity.url },
  });
  return {
    ...real,
    ask: async (question) => {
      const answer = await real.ask(question);
      return question.url.includes('testPermissions') && answer.kind === 'answered'
        ? { ...answer, body: {} }
        : answer;
    },
  };
}

describe('a bucket’s state', () => {
  const check = (): Promise<readonly Finding[]> =>
    ask(
      stateCheck({
        place: { kind: 'gcs', bucket: 'b', prefix: 'uptycs', credentials: {} },
        use: 'journal',
        asker: asker(),
        file: 'gprd.yaml',
        now: () => systemClock.now(),
      }),
    );

  it('is read, and with it the server’s clock', async () => {
    const findings = await check();
    expect(findings.filter(({ kind }) => kind !== 'ok')).toEqual([]);
    expect(findings.map(({ what }) => what)).toContain("this machine's clock");
  });

  it('a clock that agrees is told as right', async () => {
    skew = 3_000;
    expect((await check()).find(({ what }) => what === "this machine's clock")).toEqual({
      kind: 'ok',
      what: "this machine's clock",
      found: "within 5 s of Google's",
    });
  });

  it('a clock that is wrong is a failure of its own', async () => {
    skew = 600_000;
    expect((await check()).filter(({ kind }) => kind !== 'ok')).toMatchObject([
      { kind: 'failed', what: "this machine's clock", found: expect.stringContaining('behind') },
    ]);
  });

  it('that may not be looked at is a warning with the grant: a rollout does not need it', async () => {
    storage.deny('*', 'storage.buckets.get');
    const [first] = await check();
    expect(first).toMatchObject({ kind: 'warning' });
    expect(mendOf(first)).toContain('roles/storage.legacyBucketReader');
  });
});

describe('a project', () => {
  const settings: GceInventorySettings = {
    kind: 'gce',
    projects: ['sandbox'],
    roleLabel: 'type',
    address: '{internal}',
    publishedHostKeys: true,
    instanceCheck: true,
    credentials: {},
  };
  const check = async (
    more: Partial<GceInventorySettings> = {},
    osLogin = false,
  ): Promise<readonly Finding[]> => {
    const [first] = computeChecks({ settings: { ...settings, ...more }, asker: asker(), osLogin });
    return first === undefined ? [] : ask(first);
  };

  it('is really listed and one VM really asked for its host keys', async () => {
    expect(await check()).toMatchObject([
      { kind: 'ok', what: 'compute.instances.list in sandbox' },
      {
        kind: 'ok',
        what: 'compute.instances.getGuestAttributes in sandbox',
        found: expect.stringContaining('1 host key'),
      },
    ]);
  });

  it('that may not be listed fails with the grant', async () => {
    compute.denied.add('compute.instances.list');
    const [first] = await check();
    expect(first).toMatchObject({ kind: 'failed' });
    expect(mendOf(first)).toBe(
      `gcloud projects add-iam-policy-binding sandbox --member=serviceAccount:${identity.email} --role=roles/compute.viewer`,
    );
  });

  it('whose guest attributes may not be read fails, and is not taken for one without keys', async () => {
    compute.denied.add('compute.instances.getGuestAttributes');
    expect(words(await check())).toEqual([
      'ok compute.instances.list in sandbox',
      'failed compute.instances.getGuestAttributes in sandbox',
    ]);
  });

  it('whose VMs publish no keys is a warning', async () => {
    const [vm] = compute.vms;
    if (vm === undefined) throw new Error('bug: no VM');
    const { hostKeys: _, ...bare } = vm;
    compute.vms[0] = bare;
    const all = compute.vms.map(({ hostKeys: _keys, ...rest }) => rest);
    const before = compute.vms.splice(0, compute.vms.length, ...all);
    expect((await check())[1]).toMatchObject({
      kind: 'warning',
      mend: expect.stringContaining('enable-guest-attributes=TRUE'),
    });
    compute.vms.splice(0, compute.vms.length, vm, ...before.slice(1));
  });

  it('in which sudo by OS Login is permitted says on which VM that was asked', async () => {
    const found = (await check({}, true)).find(({ what }) => what.includes('osAdminLogin'));
    expect(found).toMatchObject({ kind: 'ok', found: expect.stringMatching(/^permitted on \S+$/u) });
  });

  it('in which sudo by OS Login is not permitted fails with the role', async () => {
    compute.denied.add('compute.instances.osAdminLogin');
    const found = (await check({}, true)).find(({ what }) => what.includes('osAdminLogin'));
    expect(found).toMatchObject({ kind: 'failed' });
    expect(mendOf(found)).toContain('roles/compute.osAdminLogin');
  });

  it('in which the API is off, or that does not exist, fails with what mends it', async () => {
    compute.disabled.add('sandbox');
    expect(mendOf((await check())[0])).toContain('gcloud services enable compute.googleapis.com');
    expect(mendOf((await check({ projects: ['gone-project'] }))[0])).toContain(
      'gcloud projects describe gone-project',
    );
  });

  it('without any VM says that nothing else could be asked', async () => {
    expect(await check({ projects: ['empty'] })).toMatchObject([
      { kind: 'ok', found: expect.stringContaining('no VMs') },
    ]);
  });

  describe('whose VMs know OS Login', () => {
    let osLogin: FakeOsLogin;
    beforeAll(async () => {
      osLogin = await startOsLogin();
    });
    afterAll(() => osLogin.close());
    afterEach(() => {
      osLogin.profiles.clear();
      osLogin.faults.length = 0;
    });
    const profile = async (): Promise<readonly Finding[]> => {
      const { access, ...rest } = asker();
      const known = { ...access, endpoints: { ...access.endpoints, osLogin: osLogin.url } };
      const all = computeChecks({ settings, asker: { ...rest, access: known }, osLogin: true });
      const one = all.find(({ area }) => area === 'credentials');
      return one === undefined ? [] : ask(one);
    };

    it('tells as whom it logs in', async () => {
      osLogin.profiles.set(identity.email, [{ username: 'sa_1', primary: true }]);
      expect(await profile()).toMatchObject([
        { kind: 'ok', what: 'OS Login profile', found: 'logs in as sa_1' },
      ]);
    });

    it('without a profile, or with one that cannot be read, fails with what mends it', async () => {
      const without = await profile();
      osLogin.faults.push({
        status: 403,
        message: 'Cloud OS Login API has not been used in project 1 before',
      });
      const off = await profile();
      osLogin.faults.push('gone', 'gone');
      const away = await profile();
      for (const [found] of [without, off, away]) expect(found).toMatchObject({ kind: 'failed' });
      expect(mendOf(without[0])).toContain('os-login ssh-keys add');
      expect(mendOf(off[0])).toContain('gcloud services enable oslogin.googleapis.com');
      expect(mendOf(away[0])).toContain('network');
    });

    it('is not asked where the environment does not log in by it', () => {
      const all = computeChecks({ settings, asker: asker(), osLogin: false });
      expect(all.map(({ area }) => area)).toEqual(['inventory']);
    });
  });

  it('with nobody signed in, the failure is that of the credentials alone', async () => {
    identity.mood = 'refuses';
    expect(await check()).toMatchObject([{ kind: 'skipped', found: 'nobody is signed in' }]);
  });
});
