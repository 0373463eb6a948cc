/**
 * The server that tests of storage run against: the fake, or, where ROLLOUT_TEST_STORAGE_ENDPOINT or STORAGE_EMULATOR_HOST names
 * one, such as Google's own test bench, that one, in a bucket made for this run.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BucketOptions, googleBucket } from '../../../src/adapters/google/storage/bucket.ts';
import type { Objects } from '../../../src/adapters/google/storage/objects.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { type FakeIdentity, startIdentity } from './identity.ts';
import { type FakeStorage, type StorageServerOptions, startStorageServer } from './storage-server.ts';

/** Another account, for which the fake of Google's sign-in signs with the one key that it has. */
export const SIGNER = 'signer@sandbox.iam.gserviceaccount.com';

export interface StorageUnderTest {
  readonly url: string;
  readonly bucket: string;
  readonly identity: FakeIdentity;
  /** null when another server is under test: what only the fake can show is then left out. */
  readonly fake: FakeStorage | null;
  /** Another user of the same folder of the bucket. Default clock: one whose sleeps are short. */
  objects(prefix: string, more?: Partial<Omit<BucketOptions, 'access'>>): Objects;
  close(): Promise<void>;
}

/** Base URL of the server that is to be used instead of the fake; null: the fake. */
export function otherStorage(): string | null {
  const { ROLLOUT_TEST_STORAGE_ENDPOINT: named, STORAGE_EMULATOR_HOST: emulator } = process.env;
  const url = named ?? emulator;
  if (url === undefined || url === '') return null;
  return (/^https?:/.test(url) ? url : `http://${url}`).replace(/\/+$/, '');
}

/** Sleeps a hundredth of what it is asked to: enough for a server to be itself again, too little to wait for. */
export const hurriedClock: Clock = {
  now: () => Date.now(),
  sleep: (ms) =>
    new Promise((resolve) => {
      setTimeout(resolve, Math.min(ms, 1000) / 100);
    }),
};

export async function storageUnderTest(
  options: Omit<StorageServerOptions, 'publicKeys'> & { readonly bucket?: string } = {},
): Promise<StorageUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'rollout-storage-'));
  const identity = await startIdentity({ folder });
  const other = otherStorage();
  const bucket = options.bucket ?? `rollout-${randomUUID()}`;
  const fake =
    other === null
      ? await startStorageServer({
          ...options,
          buckets: [...(options.buckets ?? []), { name: bucket }],
          publicKeys: { [identity.email]: identity.publicKey, [SIGNER]: identity.publicKey },
        })
      : null;
  const url = fake?.url ?? other ?? '';
  if (fake === null) await makeBucket(url, bucket, identity.tokenFor(identity.email));
  return {
    url,
    bucket,
    identity,
    fake,
    objects: (prefix, more = {}) =>
      googleBucket({
        place: { kind: 'gcs', bucket, prefix, credentials: { keyFile: identity.keyFile } },
        access: {
          credentials: { keyFile: identity.keyFile },
          endpoints: { storage: url, iamCredentials: identity.url },
        },
        clock: hurriedClock,
        ...more,
      }),
    async close() {
      await Promise.all([fake?.close(), identity.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function makeBucket(url: string, name: string, token: string): Promise<void> {
  const answer = await fetch(`${url}/storage/v1/b?project=test`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ name }),
  });
  if (!answer.ok) throw new Error(`cannot make bucket ${name} at ${url}: HTTP ${answer.status}`);
}
