/** Writing an object: at once, or in the chunks of a resumable session. */
import { randomUUID } from 'node:crypto';
import { type Answer, conditionsOf, json, refusal, refused, UNMET, type World } from './storage-answer.ts';
import { crc32cOf, md5Of } from './storage-checksums.ts';
import { objectResource } from './storage-resources.ts';
import type { Asked } from './storage-routes.ts';
import { type FakeBucket, unmet } from './storage-state.ts';
import {
  announcedIn,
  contentRangeOf,
  endsWith,
  type ResumableSession,
  readMultipart,
  type SentResource,
  type Upload,
  uploadOf,
} from './storage-upload.ts';

/** Chunks but the last are multiples of this. */
const QUANTUM = 256 * 1024;

type MayOverwrite = (name: string) => Answer | undefined;

export function answerUpload(world: World, bucket: FakeBucket, asked: Asked, may: MayOverwrite): Answer {
  switch (asked.operation) {
    case 'resumable-start':
      return start(world, bucket, asked, may);
    case 'resumable-chunk':
    case 'resumable-status':
      return proceed(world, bucket, asked);
    case 'resumable-cancel':
      return cancel(world, asked);
    default: {
      const type = asked.headers['content-type'] ?? '';
      const upload =
        asked.query.get('uploadType') === 'multipart'
          ? readMultipart(type, asked.body, asked.query)
          : uploadOf({}, asked.body, asked.query, type);
      if (upload === null) return refused(400, 'badRequest', 'Malformed multipart body.');
      const no = may(upload.object.name);
      return no !== undefined && asked.query.get('ifGenerationMatch') !== '0'
        ? no
        : store(bucket, asked.query, upload, asked);
    }
  }
}

function start(world: World, bucket: FakeBucket, asked: Asked, may: MayOverwrite): Answer {
  const resource = (asked.body.length === 0 ? {} : JSON.parse(asked.body.toString())) as SentResource;
  const contentType = resource.contentType ?? String(asked.headers['x-upload-content-type'] ?? '');
  const name = asked.query.get('name') ?? resource.name ?? '';
  const no = may(name);
  if (no !== undefined && asked.query.get('ifGenerationMatch') !== '0') return no;
  if (unmet(conditionsOf(asked.query), bucket.find(name)) === 412)
    return refused(412, 'conditionNotMet', UNMET);
  const id = randomUUID();
  world.sessions.set(id, {
    bucket: asked.bucket,
    query: asked.query,
    resource: { ...resource, name, ...(contentType === '' ? {} : { contentType }) },
    bytes: Buffer.alloc(0),
    done: null,
  });
  // As the client named us: it may know us by another address than the one that is listened on.
  const base = asked.headers.host === undefined ? world.url : `http://${asked.headers.host}`;
  const location = `${base}/upload/storage/v1/b/${encodeURIComponent(asked.bucket)}/o?uploadType=resumable&name=${encodeURIComponent(name)}&upload_id=${id}`;
  return { status: 200, headers: { location, 'x-guploader-uploadid': id }, body: Buffer.alloc(0) };
}

function proceed(world: World, bucket: FakeBucket, asked: Asked): Answer {
  const session = world.sessions.get(asked.query.get('upload_id') ?? '');
  if (!session) return refused(404, 'notFound', 'Not Found');
  if (session.done !== null) return json(200, session.done);
  const header = asked.headers['content-range'];
  const range = contentRangeOf(header);
  if (range === null) return refused(400, 'badRequest', `Failed to parse Content-Range header: ${header}`);
  if (range.kind === 'bytes') {
    if (range.from > session.bytes.length)
      return refused(503, 'backendError', 'Bytes are missing before this chunk.');
    session.bytes = Buffer.concat([session.bytes, asked.body.subarray(session.bytes.length - range.from)]);
    if (endsWith(header, range, session.bytes.length)) return finish(bucket, session, asked);
    if (asked.body.length % QUANTUM !== 0)
      return refused(400, 'badRequest', 'Chunks must be multiples of 256 KiB.');
  }
  return {
    status: 308,
    headers: session.bytes.length === 0 ? {} : { range: `bytes=0-${session.bytes.length - 1}` },
    body: Buffer.alloc(0),
  };
}

/** https://cloud.google.com/storage/docs/performing-resumable-uploads#cancel-upload */
function cancel(world: World, asked: Asked): Answer {
  const id = asked.query.get('upload_id') ?? '';
  const session = world.sessions.get(id);
  if (!session || session.done !== null) return refused(404, 'notFound', 'Not Found');
  world.sessions.delete(id);
  return { status: 499, headers: {}, body: Buffer.alloc(0) };
}

function finish(bucket: FakeBucket, session: ResumableSession, asked: Asked): Answer {
  const answer = store(
    bucket,
    session.query,
    uploadOf(session.resource, session.bytes, session.query),
    asked,
  );
  if (answer.status === 200) session.done = JSON.parse(answer.body.toString());
  return answer;
}

function store(
  bucket: FakeBucket,
  query: URLSearchParams,
  { object, announced }: Upload,
  asked: Asked,
): Answer {
  if (object.name === '') return refused(400, 'required', 'Required');
  if (unmet(conditionsOf(query), bucket.find(object.name)) !== undefined)
    return refused(412, 'conditionNotMet', UNMET);
  const said = { ...announced, ...announcedIn(asked.headers['x-goog-hash']?.toString()) };
  if (said.crc32c !== undefined && said.crc32c !== crc32cOf(object.bytes))
    return refused(
      400,
      'invalid',
      `Provided CRC32C "${said.crc32c}" doesn't match calculated CRC32C "${crc32cOf(object.bytes)}".`,
    );
  if (said.md5Hash !== undefined && said.md5Hash !== md5Of(object.bytes))
    return refused(400, 'invalid', `Provided MD5 hash "${said.md5Hash}" doesn't match calculated MD5 hash.`);
  const stored = bucket.put(object);
  return 'reason' in stored ? refusal(stored) : json(200, objectResource(bucket.settings.name, stored));
}
