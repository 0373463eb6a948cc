/** What Cloud Storage answers to each operation. */
import { type Answer, conditionsOf, json, refusal, refused, UNMET, type World } from './storage-answer.ts';
import type { Operation } from './storage-faults.ts';
import { answerUpload } from './storage-insert.ts';
import { answerList } from './storage-list.ts';
import { bucketResource, mediaHeaders, objectResource } from './storage-resources.ts';
import type { Asked } from './storage-routes.ts';
import { isSigned, refusalOfSigned, type XmlRefusal, xmlOf } from './storage-signed.ts';
import { type FakeBucket, unmet } from './storage-state.ts';

/** The permission that an operation needs. */
const NEEDS: Readonly<Partial<Record<Operation, string>>> = {
  insert: 'storage.objects.create',
  'resumable-start': 'storage.objects.create',
  get: 'storage.objects.get',
  media: 'storage.objects.get',
  list: 'storage.objects.list',
  delete: 'storage.objects.delete',
  patch: 'storage.objects.update',
  'bucket-get': 'storage.buckets.get',
  'bucket-insert': 'storage.buckets.create',
};

/** The URL of the session is the right to these. */
const BY_URL: ReadonlySet<Operation> = new Set(['resumable-chunk', 'resumable-status', 'resumable-cancel']);

export function answerTo(world: World, asked: Asked, principal: string | null, open: boolean): Answer {
  const { operation } = asked;
  if (operation === 'signed-get') return signedGet(world, asked);
  const byUrl = BY_URL.has(operation);
  if (!byUrl && !open && principal === null)
    return refused(401, 'authError', asked.headers.authorization === undefined ? ANONYMOUS : INVALID);
  const who = principal ?? 'anonymous';
  const needed = NEEDS[operation];
  if (needed !== undefined && isDenied(world, who, needed)) return forbidden(who, needed, asked);
  if (operation === 'bucket-insert') return insertBucket(world, asked);
  const bucket = world.buckets.get(asked.bucket);
  if (!bucket) return notFound(asked, 'The specified bucket does not exist.');
  if (bucket.settings.requesterPays && !asked.query.has('userProject'))
    return refused(400, 'required', 'Bucket is a requester pays bucket but no user project provided.');
  if (operation === 'bucket-get') return json(200, bucketResource(bucket));
  if (operation === 'test-permissions') {
    const wanted = asked.query.getAll('permissions');
    const permissions = wanted.filter((each) => !isDenied(world, who, each));
    return json(200, { kind: 'storage#testIamPermissionsResponse', permissions });
  }
  if (operation === 'list') return answerList(bucket, asked);
  if (operation === 'get' || operation === 'media') return get(bucket, asked);
  if (operation === 'patch') return patch(bucket, asked);
  if (operation === 'delete') return remove(bucket, asked);
  return answerUpload(world, bucket, asked, (name) =>
    isDenied(world, who, 'storage.objects.delete') && bucket.find(name) !== undefined
      ? forbidden(who, 'storage.objects.delete', asked)
      : undefined,
  );
}

const ANONYMOUS =
  'Anonymous caller does not have storage.objects.list access to the Google Cloud Storage bucket.';
const INVALID = 'Invalid Credentials';

function isDenied({ denied }: World, who: string, permission: string): boolean {
  return denied.get(who)?.has(permission) === true || denied.get('*')?.has(permission) === true;
}

function forbidden(who: string, permission: string, asked: Asked): Answer {
  const what = asked.name === '' ? 'bucket' : 'object';
  const text = `${who} does not have ${permission} access to the Google Cloud Storage ${what}. Permission '${permission}' denied on resource (or it may not exist).`;
  return asked.operation === 'media' ? plain(403, text) : refused(403, 'forbidden', text);
}

function get(bucket: FakeBucket, asked: Asked): Answer {
  const { query, name } = asked;
  const found = bucket.find(name, query.get('generation') ?? undefined);
  const bad = unmet(conditionsOf(query), found);
  if (bad === 412) return refused(412, 'conditionNotMet', UNMET);
  if (!found) return notFound(asked, `No such object: ${asked.bucket}/${name}`);
  if (bad === 304) return { status: 304, headers: {}, body: Buffer.alloc(0) };
  return asked.operation === 'get' ? json(200, objectResource(asked.bucket, found)) : media(found, asked);
}

function media(found: NonNullable<ReturnType<FakeBucket['find']>>, { headers }: Asked): Answer {
  const bytes = Buffer.from(found.bytes);
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
  if (range === null) return { status: 200, headers: mediaHeaders(found), body: bytes };
  const from = Number(range[1]);
  const to = range[2] === '' ? bytes.length - 1 : Math.min(Number(range[2]), bytes.length - 1);
  if (from > to)
    return { status: 416, headers: { 'content-range': `bytes */${bytes.length}` }, body: Buffer.alloc(0) };
  return {
    status: 206,
    headers: { ...mediaHeaders(found), 'content-range': `bytes ${from}-${to}/${bytes.length}` },
    body: bytes.subarray(from, to + 1),
  };
}

function patch(bucket: FakeBucket, asked: Asked): Answer {
  if (unmet(conditionsOf(asked.query), bucket.find(asked.name)) !== undefined)
    return refused(412, 'conditionNotMet', UNMET);
  const after = bucket.patch(asked.name, JSON.parse(asked.body.toString()) as Record<string, never>);
  if (!after) return notFound(asked, `No such object: ${asked.bucket}/${asked.name}`);
  return json(200, objectResource(asked.bucket, after));
}

function remove(bucket: FakeBucket, asked: Asked): Answer {
  const generation = asked.query.get('generation') ?? undefined;
  const found = bucket.find(asked.name, generation);
  if (!found) return notFound(asked, `No such object: ${asked.bucket}/${asked.name}`);
  if (unmet(conditionsOf(asked.query), found) !== undefined) return refused(412, 'conditionNotMet', UNMET);
  const done = bucket.remove(asked.name, generation);
  if (done !== true && done !== undefined) return refusal(done);
  return { status: 204, headers: {}, body: Buffer.alloc(0) };
}

function insertBucket(world: World, { body, query }: Asked): Answer {
  const sent = JSON.parse(body.toString()) as {
    name?: string;
    versioning?: { enabled?: boolean };
    retentionPolicy?: { retentionPeriod?: string };
    iamConfiguration?: { uniformBucketLevelAccess?: { enabled?: boolean } };
  };
  if (sent.name === undefined) return refused(400, 'required', 'Required');
  if (world.buckets.has(sent.name))
    return refused(
      409,
      'conflict',
      'Your previous request to create the named bucket succeeded and you already own it.',
    );
  const bucket = world.addBucket({
    name: sent.name,
    project: query.get('project') ?? 'sandbox',
    versioning: sent.versioning?.enabled ?? false,
    retentionS: Number(sent.retentionPolicy?.retentionPeriod ?? 0),
    uniformAccess: sent.iamConfiguration?.uniformBucketLevelAccess?.enabled ?? false,
  });
  return json(200, bucketResource(bucket));
}

function signedGet(world: World, asked: Asked): Answer {
  const no = (refusalXml: XmlRefusal): Answer => ({
    status: refusalXml.status,
    headers: { 'content-type': 'application/xml; charset=UTF-8' },
    body: Buffer.from(xmlOf(refusalXml)),
  });
  const { method, path, query, headers } = asked;
  const signer = world.publicKeys[query.get('X-Goog-Credential')?.split('/')[0] ?? ''];
  const bad =
    signer === undefined || !isSigned(query)
      ? ({ status: 403, code: 'AccessDenied', message: 'Access denied.' } as const)
      : refusalOfSigned({ method, path, query, headers }, signer, world.now());
  if (bad) return no(bad);
  const email = query.get('X-Goog-Credential')?.split('/')[0] ?? '';
  if (isDenied(world, email, 'storage.objects.get')) {
    const details = `${email} does not have storage.objects.get access to the Google Cloud Storage object.`;
    return no({ status: 403, code: 'AccessDenied', message: 'Access denied.', details });
  }
  const found = world.buckets.get(asked.bucket)?.find(asked.name, query.get('generation') ?? undefined);
  if (!found) return no({ status: 404, code: 'NoSuchKey', message: 'The specified key does not exist.' });
  return media(found, asked);
}

function plain(status: number, text: string): Answer {
  return { status, headers: { 'content-type': 'text/html; charset=UTF-8' }, body: Buffer.from(text) };
}

/** The media endpoint answers in plain words, the others in JSON. */
function notFound(asked: Asked, message: string): Answer {
  return asked.operation === 'media' ? plain(404, message) : refused(404, 'notFound', message);
}
