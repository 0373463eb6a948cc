/** Buckets and objects as the JSON API shows them. */
import type { FakeBucket, StoredObject } from './storage-state.ts';

export function objectResource(bucket: string, object: StoredObject): Record<string, unknown> {
  const { name, generation } = object;
  return {
    kind: 'storage#object',
    id: `${bucket}/${name}/${generation}`,
    name,
    bucket,
    generation,
    metageneration: String(object.metageneration),
    contentType: object.contentType,
    storageClass: 'STANDARD',
    size: String(object.bytes.length),
    md5Hash: object.md5Hash,
    crc32c: object.crc32c,
    etag: Buffer.from(`${generation}/${object.metageneration}`).toString('base64'),
    timeCreated: new Date(object.timeCreated).toISOString(),
    updated: new Date(object.updated).toISOString(),
    ...(object.timeDeleted === undefined ? {} : { timeDeleted: new Date(object.timeDeleted).toISOString() }),
    ...(Object.keys(object.metadata).length === 0 ? {} : { metadata: object.metadata }),
  };
}

export function bucketResource({ settings, timeCreated }: FakeBucket): Record<string, unknown> {
  return {
    kind: 'storage#bucket',
    id: settings.name,
    name: settings.name,
    projectNumber: '100000000001',
    metageneration: '1',
    location: 'EUROPE-WEST1',
    storageClass: 'STANDARD',
    timeCreated: new Date(timeCreated).toISOString(),
    updated: new Date(timeCreated).toISOString(),
    versioning: { enabled: settings.versioning },
    ...(settings.retentionS === 0
      ? {}
      : {
          retentionPolicy: {
            retentionPeriod: String(settings.retentionS),
            effectiveTime: new Date(timeCreated).toISOString(),
            isLocked: false,
          },
        }),
    iamConfiguration: {
      uniformBucketLevelAccess: { enabled: settings.uniformAccess },
      publicAccessPrevention: 'enforced',
    },
    ...(settings.requesterPays ? { billing: { requesterPays: true } } : {}),
  };
}

/** Headers that go with an object's bytes. */
export function mediaHeaders(object: StoredObject): Record<string, string> {
  return {
    'content-type': object.contentType,
    'x-goog-generation': object.generation,
    'x-goog-metageneration': String(object.metageneration),
    'x-goog-stored-content-encoding': 'identity',
    'x-goog-stored-content-length': String(object.bytes.length),
    'x-goog-hash': `crc32c=${object.crc32c},md5=${object.md5Hash}`,
    'x-goog-storage-class': 'STANDARD',
    'last-modified': new Date(object.updated).toUTCString(),
    etag: `"${object.md5Hash}"`,
  };
}
