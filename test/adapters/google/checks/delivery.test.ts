/** Delivery as doctor tries it: a URL is really signed and what it names really asked for, of a server that checks signatures. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { googleAsker } from '../../../../src/adapters/google/checks/ask.ts';
import { deliveryCheck } from '../../../../src/adapters/google/checks/delivery.ts';
import type { Finding } from '../../../../src/ports/self-check.ts';
import type { FakeStorage } from '../../../fakes/google/storage-server.ts';
import {
  otherStorage,
  type StorageUnderTest,
  storageUnderTest,
} from '../../../fakes/google/storage-under-test.ts';
import { artifactOf, openerOf } from '../../../fakes/some-artifacts.ts';
import { type StoreRig, storeRig } from '../storage/store-rig.ts';

const other = otherStorage();
if (other !== null)
  it(`is tried at the fake alone: ${other} has no trouble on demand`, () => expect(other).toMatch(/^http/));

describe.runIf(other === null)('delivery by signed URL', () => {
  let storage: StorageUnderTest;
  let fake: FakeStorage;
  /** The server's clock is this much ahead, ms. */
  let ahead = 0;
  beforeAll(async () => {
    storage = await storageUnderTest({ now: () => Date.now() + ahead });
    if (storage.fake === null) throw new Error('bug: no fake');
    fake = storage.fake;
  });
  afterEach(() => {
    fake.clearFaults();
    fake.allowAll();
    ahead = 0;
  });
  afterAll(() => storage.close());

  async function tried(rig: StoreRig, store = rig.open()): Promise<Finding> {
    const check = deliveryCheck({
      settings: rig.settings,
      store,
      objects: () => storage.objects(rig.prefix, { place: rig.settings }),
      asker: googleAsker({
        credentials: { keyFile: storage.identity.keyFile },
        endpoints: { storage: storage.url, iamCredentials: storage.identity.url },
      }),
      file: 'gprd.yaml',
    });
    const [found, ...more] = await check.run(new AbortController().signal);
    expect(more).toEqual([]);
    // DL1
    expect(JSON.stringify(found)).not.toMatch(/X-Goog|Signature=/i);
    if (found === undefined) throw new Error('nothing was found');
    return found;
  }
  async function staged(fetchFrom?: string): Promise<StoreRig> {
    const rig = storeRig(storage, 'signed-url', fetchFrom);
    const done = await rig.open().publish(artifactOf('some package'), openerOf('some package'));
    expect(done.ok).toBe(true);
    return rig;
  }
  const fetched = (): number => fake.requests.filter(({ operation }) => operation === 'signed-get').length;

  it('is right when the first bytes of a package really came', async () => {
    const rig = await staged();
    const before = fetched();
    expect(await tried(rig)).toMatchObject({
      kind: 'ok',
      found: `the package of 5.10.2 can be fetched from ${storage.url} with a signed URL`,
    });
    expect(fetched()).toBe(before + 1);
  });

  it('with nothing staged says that signing alone was tried', async () => {
    expect(await tried(storeRig(storage, 'signed-url'))).toMatchObject({
      kind: 'ok',
      found: expect.stringContaining('nothing is staged yet'),
    });
  });

  it('with packages that cannot be listed says nothing of what is staged', async () => {
    const rig = await staged();
    fake.deny('*', 'storage.objects.list');
    expect(await tried(rig)).toMatchObject({
      kind: 'skipped',
      found: expect.stringContaining('cannot be listed'),
    });
  });

  it('whose signer may not read the package fails with the grant', async () => {
    const rig = await staged();
    // The right is lost once the URL is there, which is kept for a while.
    const store = rig.open();
    const listed = await store.list();
    const source = store.sourceOf(artifactOf('some package'));
    expect(source.kind === 'url' && (await source.request()).ok).toBe(true);
    fake.deny(storage.identity.email, 'storage.objects.get');
    expect(await tried(rig, { ...store, list: () => Promise.resolve(listed) })).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('HTTP 403 (AccessDenied)'),
      mend: `gcloud storage buckets add-iam-policy-binding gs://${storage.bucket} --member=serviceAccount:${storage.identity.email} --role=roles/storage.objectViewer`,
    });
  });

  it('of a package that cannot be looked up is no failure of signing', async () => {
    const rig = await staged();
    const store = rig.open();
    const listed = await store.list();
    fake.deny('*', 'storage.objects.get');
    const found = await tried(rig, { ...store, list: () => Promise.resolve(listed) });
    expect(found).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('lacks storage.objects.get'),
    });
    expect(`${found.found} ${'mend' in found ? found.mend : ''}`).not.toMatch(/sign|TokenCreator/u);
  });

  it.each([
    ['expired', 20 * 60_000],
    ['not yet valid', -20 * 60_000],
  ])('whose URL is %s fails and blames the clock', async (_, ms) => {
    const rig = await staged();
    ahead = ms;
    expect(await tried(rig)).toMatchObject({
      kind: 'failed',
      mend: expect.stringContaining('timedatectl'),
    });
  });

  it('of a package whose bytes are gone says so', async () => {
    const rig = await staged();
    fake.fault({ on: 'signed-get', kind: 'status', status: 404 });
    expect(await tried(rig)).toMatchObject({
      kind: 'failed',
      mend: expect.stringContaining('rollout stage'),
    });
  });

  it.each([['reset'], ['lost-reply'], ['truncated-body']] as const)(
    'whose answer breaks off (%s) is no success',
    async (kind) => {
      const rig = await staged();
      fake.fault({ on: 'signed-get', kind, times: 9 });
      expect(await tried(rig)).toMatchObject({ kind: expect.stringMatching(/failed|warning/u) });
    },
  );

  it('by way of a server that answers everything with a page of its own is no success', async () => {
    const rig = await staged();
    fake.fault({ on: 'signed-get', kind: 'status', status: 200, message: 'Please sign in to the network' });
    expect(await tried(rig)).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('not that package'),
      mend: expect.stringContaining('artifacts.fetchFrom'),
    });
  });

  it('from an address of its own that cannot be reached from here is a warning: hosts may reach it', async () => {
    expect(await tried(await staged('http://127.0.0.1:9'))).toMatchObject({
      kind: 'warning',
      found: expect.stringContaining('hosts may reach it all the same'),
      mend: expect.stringContaining('curl -sI http://127.0.0.1:9'),
    });
  });

  it('is not tried where hosts get packages in another way, and what that needs is said', async () => {
    expect(await tried(storeRig(storage, 'sftp'))).toMatchObject({ kind: 'ok' });
    expect(await tried(storeRig(storage, 'service-account'))).toMatchObject({
      kind: 'skipped',
      found: expect.stringContaining('roles/storage.objectViewer'),
    });
  });
});
