import { describe, expect, it } from 'vitest';
import {
  type BucketState,
  clockFinding,
  stateFindings,
} from '../../../../src/adapters/google/checks/bucket-state.ts';
import type { GcsPlace } from '../../../../src/domain/cloud.ts';
import type { Finding } from '../../../../src/ports/self-check.ts';

const place: GcsPlace = { kind: 'gcs', bucket: 'b', prefix: 'uptycs', credentials: {} };
const good: BucketState = {
  versioning: { enabled: true },
  iamConfiguration: { uniformBucketLevelAccess: { enabled: true }, publicAccessPrevention: 'enforced' },
};
const look = (state: BucketState, use: 'artifacts' | 'journal' = 'artifacts'): Finding[] =>
  stateFindings({ ...good, ...state }, { place, use });
const troubles = (findings: readonly Finding[]): string[] =>
  findings.flatMap((finding) => ('mend' in finding ? [`${finding.kind} ${finding.what}`] : []));

describe('a bucket', () => {
  it('with versions, uniform access and no public access is right', () => {
    expect(troubles(look({}))).toEqual([]);
    expect(troubles(look({}, 'journal'))).toEqual([]);
  });

  it('that keeps nothing is a warning with the command', () => {
    const [versions] = look({ versioning: { enabled: false } });
    expect(versions).toMatchObject({
      kind: 'warning',
      mend: expect.stringContaining('gcloud storage buckets update gs://b --versioning'),
    });
  });

  it('of packages may have retention instead of versions', () => {
    expect(troubles(look({ versioning: {}, retentionPolicy: { retentionPeriod: '86400' } }))).toEqual([]);
  });

  it('of the journal with retention is a failure, though nothing could be lost: the lease could not be overwritten', () => {
    const retention = { retentionPolicy: { retentionPeriod: '86400' } };
    const failed = look({ ...retention, versioning: {} }, 'journal').find(({ kind }) => kind === 'failed');
    expect(failed).toMatchObject({
      what: 'lease in gs://b',
      mend: expect.stringContaining('--clear-retention-period'),
    });
    expect(troubles(look(retention, 'journal'))).toEqual(['warning lease in gs://b']);
  });

  it('of the journal that holds every new object is a failure for the same reason', () => {
    expect(troubles(look({ defaultEventBasedHold: true }, 'journal'))).toEqual(['failed lease in gs://b']);
    expect(troubles(look({ defaultEventBasedHold: true }))).toEqual([]);
  });

  it('with lists of access or open to the public is a warning each', () => {
    expect(troubles(look({ iamConfiguration: { publicAccessPrevention: 'inherited' } }))).toEqual([
      'warning access to gs://b',
      'warning openness of gs://b',
    ]);
  });
});

describe('a lifecycle rule', () => {
  const rule = (type: string, condition: Readonly<Record<string, unknown>>): string[] =>
    troubles(look({ lifecycle: { rule: [{ action: { type }, condition }] } }));

  it.each([
    ['of the whole bucket', 'Delete', { age: 30 }, true],
    ['of the folder', 'Delete', { age: 30, matchesPrefix: ['uptycs/'] }, true],
    ['of a part of the folder', 'Delete', { age: 30, matchesPrefix: ['uptycs/osquery'] }, true],
    ['of a beginning of its name', 'Delete', { age: 30, matchesPrefix: ['up'] }, true],
    ['of another folder', 'Delete', { age: 30, matchesPrefix: ['logs/'] }, false],
    ['of a folder whose name goes on', 'Delete', { age: 30, matchesPrefix: ['uptycs-old/'] }, false],
    ['of old generations', 'Delete', { numNewerVersions: 3 }, false],
    ['of old generations by age', 'Delete', { age: 30, isLive: false }, false],
    ['of generations that were replaced long ago', 'Delete', { daysSinceNoncurrentTime: 30 }, false],
    ['that moves to colder storage', 'SetStorageClass', { age: 30 }, false],
    ['that ends uploads', 'AbortIncompleteMultipartUpload', { age: 1 }, false],
  ] as const)('%s', (_, type, condition, dangerous) => {
    expect(rule(type, condition)).toEqual(dangerous ? ['warning lifecycle of gs://b'] : []);
  });
});

describe('the clock', () => {
  it.each([
    [0, 'ok'],
    [4_900, 'ok'],
    [-5_100, 'warning'],
    [59_000, 'warning'],
    [61_000, 'failed'],
    [-3_600_000, 'failed'],
  ] as const)('%d ms off is %s', (skew, kind) => {
    expect(clockFinding(skew)).toMatchObject({ kind });
  });

  it('says which of the two is behind', () => {
    expect(clockFinding(10_000).found).toContain('10.0 s behind');
    expect(clockFinding(-10_000).found).toContain('10.0 s ahead');
  });
});
