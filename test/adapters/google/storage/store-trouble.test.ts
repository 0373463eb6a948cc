import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Artifact } from '../../../../src/domain/artifact.ts';
import type { ArtifactStore } from '../../../../src/ports/artifact-store.ts';
import type { FakeStorage } from '../../../fakes/google/storage-server.ts';
import {
  otherStorage,
  SIGNER,
  type StorageUnderTest,
  storageUnderTest,
} from '../../../fakes/google/storage-under-test.ts';
import { manualClock } from '../../../fakes/manual-clock.ts';
import { artifactOf, openerOf } from '../../../fakes/some-artifacts.ts';
import { type StoreRig, storeRig } from './store-rig.ts';

const run = promisify(execFile);
const other = otherStorage();
if (other !== null)
  it(`shows trouble only at the fake: ${other} has none on demand`, () => expect(other).toMatch(/^http/));

describe.runIf(other === null)('a store in a bucket, in trouble', () => {
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
    storage.identity.mood = 'well';
  });
  afterAll(() => storage.close());

  const publishTo = (store: ArtifactStore, text = 'a') => store.publish(artifactOf(text), openerOf(text));
  async function published(rig: StoreRig, text = 'a', store = rig.open()): Promise<Artifact> {
    const answer = await publishTo(store, text);
    if (!answer.ok) throw new Error(answer.error.message);
    return answer.value.artifact;
  }
  const bucket = () => {
    const found = fake.buckets.get(storage.bucket);
    if (!found) throw new Error('bug: no bucket');
    return found;
  };
  const asked = (operation: string): number =>
    fake.requests.filter((each) => each.operation === operation).length;
  async function urlOf(store: ArtifactStore, artifact: Artifact): Promise<string> {
    const source = store.sourceOf(artifact);
    if (source.kind !== 'url') throw new Error('no URL');
    const request = await source.request();
    if (!request.ok) throw new Error(request.error);
    return request.value.url;
  }

  describe('while publishing', () => {
    it('knows its own writing when the replies to bytes and manifest were lost', async () => {
      const rig = storeRig(storage, 'sftp');
      fake.fault({ on: 'insert', name: '.deb', kind: 'lost-reply' });
      fake.fault({ on: 'insert', name: '.json', kind: 'lost-reply' });
      expect(await publishTo(rig.open())).toMatchObject({ ok: true, value: { kind: 'published' } });
      const [artifact] = await listed(rig);
      expect(artifact && (await rig.open().verify(artifact))).toEqual({ ok: true, value: undefined });
    });

    it('takes a lost reply followed by another`s package for the conflict that it is', async () => {
      const rig = storeRig(storage, 'sftp');
      const theirs = await published(rig, 'theirs');
      fake.fault({ on: 'media', name: 'amd64.json', kind: 'reset' });
      expect(await publishTo(rig.open(), 'ours')).toMatchObject({
        ok: false,
        error: { kind: 'conflict', existing: { sha256: theirs.sha256 } },
      });
    });

    it('sees a conflict when another publishes between its look and its manifest', async () => {
      const rig = storeRig(storage, 'sftp');
      fake.fault({ on: 'insert', name: 'amd64.json', kind: 'slow', ms: 100 });
      const slow = publishTo(rig.open(), 'ours');
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await publishTo(rig.open(), 'theirs')).toMatchObject({ ok: true, value: { kind: 'published' } });
      expect(await slow).toMatchObject({ ok: false, error: { kind: 'conflict' } });
    });

    it('completes what was cut off between bytes and manifest', async () => {
      const rig = storeRig(storage, 'sftp');
      fake.fault({ on: 'insert', name: '.json', kind: 'status', status: 400 });
      expect(await publishTo(rig.open())).toMatchObject({ ok: false, error: { kind: 'unavailable' } });
      expect(await rig.open().list()).toEqual({ ok: true, value: [] });
      const uploads = asked('insert');
      expect(await publishTo(rig.open())).toMatchObject({ ok: true, value: { kind: 'published' } });
      expect(asked('insert') - uploads).toBe(2);
      expect(await listed(rig)).toHaveLength(1);
    });

    it('replaces bytes that were never published and are not the ones', async () => {
      const rig = storeRig(storage, 'sftp');
      bucket().put({
        name: rig.nameOf(artifactOf('a')),
        bytes: Buffer.from('half of'),
        contentType: 'x/y',
        metadata: { sha256: artifactOf('a').sha256 },
      });
      const artifact = await published(rig);
      expect(await rig.open().verify(artifact)).toEqual({ ok: true, value: undefined });
    });

    it('does not believe in an upload whose bytes are others afterwards', async () => {
      const rig = storeRig(storage, 'sftp');
      fake.fault({ on: 'get', name: '.deb', kind: 'slow', ms: 100 });
      const publishing = publishTo(rig.open());
      await new Promise((resolve) => setTimeout(resolve, 60));
      bucket().alter(rig.nameOf(artifactOf('a')), Buffer.from('x'));
      expect(await publishing).toMatchObject({ ok: false, error: { kind: 'altered' } });
      expect(await listed(rig)).toEqual([]);
    });

    it('says what is missing when it may not write', async () => {
      const rig = storeRig(storage, 'sftp');
      fake.deny(storage.identity.email, 'storage.objects.create');
      const answer = await publishTo(rig.open());
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
      expect(answer.ok ? '' : answer.error.message).toContain('--role=roles/storage.objectCreator');
    });

    it('needs no right to overwrite or delete', async () => {
      const rig = storeRig(storage, 'sftp');
      fake.deny(storage.identity.email, 'storage.objects.delete', 'storage.objects.update');
      expect(await publishTo(rig.open())).toMatchObject({ ok: true, value: { kind: 'published' } });
      expect(await publishTo(rig.open())).toMatchObject({ ok: true, value: { kind: 'already-there' } });
    });
  });

  const listed = async (rig: StoreRig): Promise<readonly Artifact[]> => {
    const answer = await rig.open().list();
    if (!answer.ok) throw new Error(answer.error.message);
    return answer.value;
  };

  describe('while verifying', () => {
    it('reads the bytes once a process, and then only asks whether they are still the same', async () => {
      const rig = storeRig(storage, 'sftp');
      const artifact = await published(rig);
      const store = rig.open();
      const media = (): number =>
        fake.requests.filter(({ operation, name }) => operation === 'media' && name.endsWith('.deb')).length;
      const before = media();
      for (let times = 0; times < 3; times++)
        expect(await store.verify(artifact)).toEqual({ ok: true, value: undefined });
      expect(media() - before).toBe(1);
      bucket().alter(rig.nameOf(artifact), Buffer.from('x'));
      const answer = await store.verify(artifact);
      expect(answer).toMatchObject({ ok: false, error: { kind: 'altered' } });
      expect(answer.ok ? '' : answer.error.message).toContain(artifact.sha256);
    });

    it('tells bytes that came cut off or damaged from bytes that were altered', async () => {
      const rig = storeRig(storage, 'sftp');
      const artifact = await published(rig, 'abcdef'.repeat(1000));
      fake.fault({ on: 'media', name: '.deb', kind: 'truncated-body' });
      expect(await rig.open().verify(artifact)).toEqual({ ok: true, value: undefined });
      fake.fault({ on: 'media', name: '.deb', kind: 'flipped-bit', times: 100 });
      expect(await rig.open().verify(artifact)).toMatchObject({
        ok: false,
        error: { kind: 'unavailable', retryable: true },
      });
    });

    it('finds the pinned generation where the bucket keeps old ones, and has hosts fetch that', async () => {
      const kept = fake.addBucket({ name: `versioned-${Date.now()}`, versioning: true });
      const rig = storeRig(
        { ...storage, bucket: kept.settings.name, objects: inBucket(kept.settings.name) },
        'signed-url',
      );
      const artifact = await published(rig);
      await rig.alter(artifact, 'x');
      expect(await rig.open().verify(artifact)).toEqual({ ok: true, value: undefined });
      expect(await (await fetch(await urlOf(rig.open(), artifact))).text()).toBe('a');
    });

    it('is out of order, and says so, when the bucket is', async () => {
      const rig = storeRig(storage, 'sftp');
      const artifact = await published(rig);
      const store = rig.open({ bucket: { clock: manualClock({ start: Date.now(), autoAdvance: true }) } });
      fake.fault({ times: 1000, kind: 'status', status: 503 });
      for (const answer of [await store.verify(artifact), await store.list(), await publishTo(store)])
        expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: true } });
    });
  });

  const inBucket =
    (name: string): StorageUnderTest['objects'] =>
    (prefix, more = {}) =>
      storage.objects(prefix, {
        place: { kind: 'gcs', bucket: name, prefix, credentials: { keyFile: storage.identity.keyFile } },
        ...more,
      });

  it('lists hundreds of packages over several pages', async () => {
    const rig = storeRig(storage, 'sftp');
    await published(rig);
    for (let at = 0; at < 1500; at++)
      bucket().put({
        name: `${rig.prefix}/packages/1.0.0/junk-${at}`,
        bytes: Buffer.from('x'),
        contentType: 'x/y',
        metadata: {},
      });
    await rig.open().publish(artifactOf('z', { version: '5.99.0' }), openerOf('z'));
    expect((await listed(rig)).map(({ version }) => version)).toEqual(['5.10.2', '5.99.0']);
    fake.fault({ on: 'media', name: '5.99.0', kind: 'status', status: 400 });
    expect(await rig.open().list()).toMatchObject({ ok: false, error: { kind: 'unavailable' } });
  });

  it('does not list for ever when the listing is older than the bucket', async () => {
    const rig = storeRig(storage, 'sftp');
    const artifact = await published(rig);
    bucket().freezeListing();
    await rig.loseBytes(artifact);
    bucket().lose(`${rig.prefix}/packages/5.10.2/amd64.json`);
    expect(await rig.open().list()).toEqual({ ok: true, value: [] });
    bucket().thaw();
  });

  describe('while hosts fetch by a signed URL', () => {
    it('gives one that plain curl can use, for that generation alone and for some minutes', async () => {
      const rig = storeRig(storage, 'signed-url');
      const artifact = await published(rig, 'the package');
      const url = await urlOf(rig.open(), artifact);
      expect((await run('curl', ['-sSf', url])).stdout).toBe('the package');
      const query = new URL(url).searchParams;
      expect(query.get('generation')).toBe(artifact.generation);
      expect(Number(query.get('X-Goog-Expires'))).toBeLessThanOrEqual(900);
      expect((await fetch(url.replace(artifact.generation, '1'))).status).toBe(403);
      ahead = 16 * 60_000;
      const late = await fetch(url);
      expect(late.status).toBe(400);
      expect(await late.text()).toContain('<Code>ExpiredToken</Code>');
    });

    it('gives hosts the same one for a while, then a fresh one, and keeps none that failed', async () => {
      const clock = manualClock({ start: Date.now() });
      const rig = storeRig(storage, 'signed-url');
      const artifact = await published(rig);
      const store = rig.open({ clock });
      const before = asked('media');
      const urls = await Promise.all(Array.from({ length: 50 }, () => urlOf(store, artifact)));
      expect(new Set(urls).size).toBe(1);
      expect(asked('media') - before).toBe(1);
      await clock.advance(9 * 60_000);
      const looks = asked('media');
      expect(await urlOf(store, artifact)).toBe(urls[0]);
      expect(asked('media')).toBe(looks);
      await clock.advance(2 * 60_000);
      await urlOf(store, artifact);
      expect(asked('media')).toBe(looks + 1);
      await clock.advance(11 * 60_000);
      fake.fault({ on: 'get', kind: 'status', status: 400 });
      await expect(urlOf(store, artifact)).rejects.toThrow(/HTTP 400/);
      expect(await urlOf(store, artifact)).toMatch(/^http/);
    });

    it('names the host that hosts know, wherever this machine reaches the bucket', async () => {
      const rig = storeRig(storage, 'signed-url', 'https://storage.example.test');
      const artifact = await published(rig);
      const url = new URL(await urlOf(rig.open(), artifact));
      expect(url.origin).toBe('https://storage.example.test');
      const here = `${storage.url}${url.pathname}${url.search}`;
      expect((await fetch(here)).status).toBe(403);
    });

    it('signs as the account that it acts as, or says what that needs', async () => {
      const rig = storeRig(storage, 'signed-url');
      const artifact = await published(rig);
      const access = {
        credentials: { keyFile: storage.identity.keyFile, impersonate: SIGNER },
        endpoints: { storage: storage.url, iamCredentials: storage.identity.url },
      };
      const url = new URL(await urlOf(rig.open({ bucket: { access } }), artifact));
      expect(url.searchParams.get('X-Goog-Credential')).toContain(SIGNER);
      expect(await (await fetch(url)).text()).toBe('a');
      const store = rig.open({ bucket: { access } });
      expect(await store.verify(artifact)).toMatchObject({ ok: true });
      storage.identity.mood = 'refuses-impersonation';
      await expect(urlOf(store, artifact)).rejects.toThrow(/roles\/iam\.serviceAccountTokenCreator/);
    });
  });

  describe('while hosts fetch with their own account', () => {
    it('names the generation, and holds no secret', async () => {
      const rig = storeRig(storage, 'service-account');
      const artifact = await published(rig);
      const url = await urlOf(rig.open(), artifact);
      expect(url).toBe(
        `${storage.url}/storage/v1/b/${storage.bucket}/o/${encodeURIComponent(rig.nameOf(artifact))}?alt=media&generation=${artifact.generation}`,
      );
      expect((await fetch(url)).status).toBe(401);
      const vm = 'vm@sandbox.iam.gserviceaccount.com';
      const headers = { authorization: `Bearer ${storage.identity.tokenFor(vm)}` };
      expect(await (await fetch(url, { headers })).text()).toBe('a');
      fake.deny(vm, 'storage.objects.get');
      expect((await fetch(url, { headers })).status).toBe(403);
    });

    it('is Google`s own address unless another is named', async () => {
      const rig = storeRig(storage, 'service-account', null);
      const artifact = await published(rig);
      expect(await urlOf(rig.open(), artifact)).toMatch(
        /^https:\/\/storage\.googleapis\.com\/storage\/v1\/b\//,
      );
    });
  });

  describe('while packages go over SSH', () => {
    const bytesFrom = async (store: ArtifactStore, artifact: Artifact): Promise<string> => {
      const source = store.sourceOf(artifact);
      if (source.kind !== 'bytes') throw new Error('no bytes');
      const parts: Uint8Array[] = [];
      for await (const part of source.open()) parts.push(part);
      return Buffer.concat(parts).toString();
    };
    const leftBehind = (): readonly string[] =>
      readdirSync(tmpdir()).filter((name) => name.startsWith('rollout-package-'));

    it('fetches once for two hundred hosts, and leaves no file behind', async () => {
      const rig = storeRig(storage, 'sftp');
      const text = 'package '.repeat(100_000);
      const artifact = await published(rig, text);
      const store = rig.open();
      const before = fake.requests.filter(
        ({ operation, name }) => operation === 'media' && name.endsWith('.deb'),
      ).length;
      const files = leftBehind();
      const answers = await Promise.all(Array.from({ length: 200 }, () => bytesFrom(store, artifact)));
      expect(answers.every((each) => each === text)).toBe(true);
      expect(
        fake.requests.filter(({ operation, name }) => operation === 'media' && name.endsWith('.deb')).length -
          before,
      ).toBe(1);
      expect(leftBehind()).toEqual(files);
    });

    it('sends nothing of a package that was altered, and tries anew for the next host', async () => {
      const rig = storeRig(storage, 'sftp');
      const artifact = await published(rig, 'good');
      const store = rig.open();
      bucket().alter(rig.nameOf(artifact), Buffer.from('evil'));
      const parts: Uint8Array[] = [];
      const source = store.sourceOf(artifact);
      if (source.kind !== 'bytes') throw new Error('no bytes');
      await expect(
        (async () => {
          for await (const part of source.open()) parts.push(part);
        })(),
      ).rejects.toThrow(/is not what was published/);
      expect(parts).toEqual([]);
      bucket().alter(rig.nameOf(artifact), Buffer.from('good'));
      expect(await bytesFrom(store, artifact)).toBe('good');
    });
  });
});
