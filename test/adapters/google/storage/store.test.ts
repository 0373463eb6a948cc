import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storeContract } from '../../../contract/artifact-store.ts';
import {
  otherStorage,
  type StorageUnderTest,
  storageUnderTest,
} from '../../../fakes/google/storage-under-test.ts';
import { artifactOf, openerOf } from '../../../fakes/some-artifacts.ts';
import { storeRig } from './store-rig.ts';

let storage: StorageUnderTest;
beforeAll(async () => {
  storage = await storageUnderTest();
});
afterAll(() => storage.close());

const VM = 'vm@sandbox.iam.gserviceaccount.com';

for (const delivery of ['sftp', 'signed-url', 'service-account'] as const) {
  if (otherStorage() !== null && delivery === 'signed-url') {
    it('leaves signed URLs out: another storage does not know our key', () =>
      expect(otherStorage()).not.toBeNull());
    continue;
  }
  storeContract(`a bucket whose packages are delivered by ${delivery}`, async () => {
    const rig = storeRig(storage, delivery);
    return {
      open: () => rig.open(),
      alter: rig.alter,
      loseBytes: rig.loseBytes,
      bearer: storage.identity.tokenFor(VM),
      close: async () => undefined,
    };
  });
}

describe('a store in a folder of a bucket', () => {
  it('lays out bytes and manifest where people find them, with the digest in the metadata', async () => {
    const rig = storeRig(storage, 'sftp');
    const artifact = artifactOf('a');
    const published = await rig.open().publish(artifact, openerOf('a'));
    const listed = await rig.objects.list({ prefix: '' });
    const names = listed.ok ? listed.value.map(({ name }) => name) : [];
    expect(names).toEqual(['packages/5.10.2/amd64.json', `packages/5.10.2/amd64/${artifact.sha256}.deb`]);
    const bytes = listed.ok ? listed.value[1] : undefined;
    expect(bytes?.metadata).toMatchObject({
      sha256: artifact.sha256,
      version: '5.10.2',
      architecture: 'amd64',
    });
    expect(published.ok && published.value.artifact.generation).toBe(bytes?.generation);
  });

  it('shares its folder with others, and passes over what is theirs', async () => {
    const rig = storeRig(storage, 'sftp');
    const theirs = [
      'osquery-5.10.2.deb',
      'packages/README',
      'packages/notes.json',
      'packages/5.10.2/amd64/x.json',
      'packages/not a version/amd64.json',
      'packages/5.10.2/Not-An-Architecture.json',
    ];
    for (const name of theirs) await rig.objects.create(name, Buffer.from('theirs'), { contentType: 'x/y' });
    expect(await rig.open().list()).toEqual({ ok: true, value: [] });
    expect(await rig.open().publish(artifactOf('a'), openerOf('a'))).toMatchObject({ ok: true });
    expect(await rig.open().list()).toMatchObject({ ok: true, value: [{ version: '5.10.2' }] });
    const after = await rig.objects.list({ prefix: '' });
    expect(after.ok && theirs.every((name) => after.value.some((each) => each.name === name))).toBe(true);
  });

  it('refuses a manifest that it cannot read, rather than guess', async () => {
    const rig = storeRig(storage, 'sftp');
    await rig.objects.create('packages/5.10.2/amd64.json', Buffer.from('{"schema": 9}'), {
      contentType: 'x/y',
    });
    for (const answer of [
      await rig.open().list(),
      await rig.open().verify(artifactOf('a')),
      await rig.open().publish(artifactOf('a'), openerOf('a')),
    ]) {
      expect(answer).toMatchObject({ ok: false, error: { kind: 'altered' } });
      expect(answer.ok ? '' : answer.error.message).toMatch(/amd64\.json is no manifest.*schema is 9/);
    }
  });

  it('takes large packages in parts and tells how far it is', async () => {
    const part = 256 * 1024;
    const rig = storeRig(storage, 'sftp');
    const text = 'x'.repeat(part * 2 + 10);
    const told: number[] = [];
    const store = rig.open({ bucket: { partBytes: part } });
    const answer = await store.publish(artifactOf(text), openerOf(text), (stored) => told.push(stored));
    expect(answer).toMatchObject({ ok: true, value: { kind: 'published' } });
    expect(told).toEqual([part, part * 2, text.length]);
    expect(answer.ok && (await rig.open().verify(answer.value.artifact))).toEqual({
      ok: true,
      value: undefined,
    });
  });
});
