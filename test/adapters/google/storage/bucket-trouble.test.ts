import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectError, Objects } from '../../../../src/adapters/google/storage/objects.ts';
import type { Result } from '../../../../src/domain/result.ts';
import type { FaultKind, Operation } from '../../../fakes/google/storage-faults.ts';
import type { FakeStorage } from '../../../fakes/google/storage-server.ts';
import {
  otherStorage,
  type StorageUnderTest,
  storageUnderTest,
} from '../../../fakes/google/storage-under-test.ts';
import { manualClock } from '../../../fakes/manual-clock.ts';

const TEXT = { contentType: 'text/plain' };
const PART = 256 * 1024;
const bytes = (text: string): Uint8Array => Buffer.from(text);

const other = otherStorage();
if (other !== null)
  it(`shows trouble only at the fake: ${other} has none on demand`, () => expect(other).toMatch(/^http/));

describe.runIf(other === null)('objects in a bucket, in trouble', () => {
  let rig: StorageUnderTest;
  let fake: FakeStorage;
  let folders = 0;
  beforeAll(async () => {
    rig = await storageUnderTest();
    if (rig.fake === null) throw new Error('bug: no fake');
    fake = rig.fake;
  });
  afterEach(() => {
    fake.clearFaults();
    fake.allowAll();
    rig.identity.mood = 'well';
  });
  afterAll(() => rig.close());

  const aFolder = (more: Parameters<StorageUnderTest['objects']>[1] = {}): Objects =>
    rig.objects(`trouble-${folders++}`, more);
  const quick = { attemptMs: 120 };
  async function made(objects: Objects, name: string, text: string) {
    const answer = await objects.create(name, bytes(text), TEXT);
    if (!answer.ok) throw new Error(answer.error.message);
    return answer.value;
  }
  const textOf = async (objects: Objects, name: string): Promise<unknown> => {
    const read = await objects.read(name);
    return read.ok ? Buffer.from(read.value.bytes).toString() : read.error;
  };
  const messageOf = (answer: Result<unknown, ObjectError>): string => (answer.ok ? '' : answer.error.message);

  const PASSING: readonly FaultKind[] = [
    { kind: 'status', status: 429 },
    { kind: 'status', status: 408 },
    { kind: 'status', status: 500 },
    { kind: 'status', status: 503, retryAfterS: 1 },
    { kind: 'status', status: 403, reason: 'rateLimitExceeded' },
    { kind: 'reset' },
    { kind: 'silent' },
  ];
  for (const fault of PASSING) {
    const what = fault.kind === 'status' ? `HTTP ${fault.status} ${fault.reason ?? ''}` : fault.kind;
    it(`ask again after: ${what}`, async () => {
      const objects = aFolder(quick);
      const before = (on: Operation): void => fake.fault({ on, times: 2, ...fault });
      before('insert');
      const { generation } = await made(objects, 'x', 'hello');
      before('get');
      before('media');
      expect(await textOf(objects, 'x')).toBe('hello');
      before('list');
      expect(await objects.list({ prefix: '' })).toMatchObject({ ok: true, value: [{ name: 'x' }] });
      before('delete');
      expect(await objects.remove('x', generation)).toEqual({ ok: true, value: undefined });
    });
  }

  it('give up at the deadline, and say how often they asked', async () => {
    const clock = manualClock({ start: Date.now(), autoAdvance: true });
    const objects = aFolder({ clock });
    fake.fault({ on: 'list', times: 1000, kind: 'status', status: 503 });
    const before = fake.requests.length;
    const answer = await objects.list({ prefix: '' });
    expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: true } });
    expect(messageOf(answer)).toMatch(/cannot list gs:\/\/.*HTTP 503.*\d attempts in 2\d s/);
    expect(clock.elapsedMs).toBeLessThanOrEqual(30_000);
    expect(fake.requests.length - before).toBe(8);
  });

  it('do not ask again what is refused for good', async () => {
    const objects = aFolder();
    fake.fault({ on: 'list', kind: 'status', status: 400, message: 'Invalid argument.' });
    const before = fake.requests.length;
    expect(await objects.list({ prefix: '' })).toMatchObject({
      ok: false,
      error: { kind: 'unavailable', retryable: false },
    });
    expect(fake.requests.length - before).toBe(1);
  });

  it('answer `precondition` when the reply to a creation was lost, which is done all the same', async () => {
    const objects = aFolder();
    fake.fault({ on: 'insert', kind: 'lost-reply' });
    expect(await objects.create('x', bytes('mine'), TEXT)).toMatchObject({
      ok: false,
      error: { kind: 'precondition' },
    });
    expect(await textOf(objects, 'x')).toBe('mine');
    const facts = await objects.facts('x');
    fake.fault({ on: 'insert', kind: 'lost-reply' });
    const replaced = await objects.replace('x', bytes('new'), facts.ok ? facts.value.generation : '', TEXT);
    expect(replaced).toMatchObject({ ok: false, error: { kind: 'precondition' } });
    expect(await textOf(objects, 'x')).toBe('new');
  });

  it('answer `not-found` when the reply to a removal was lost', async () => {
    const objects = aFolder();
    const { generation } = await made(objects, 'x', 'x');
    fake.fault({ on: 'delete', kind: 'lost-reply' });
    expect(await objects.remove('x', generation)).toMatchObject({ ok: false, error: { kind: 'not-found' } });
  });

  for (const kind of ['truncated-body', 'stalled-body', 'flipped-bit'] as const) {
    it(`give the right bytes after: ${kind}`, async () => {
      const objects = aFolder(quick);
      const text = 'abcdefghij'.repeat(30_000);
      await made(objects, 'x', text);
      fake.fault({ on: 'media', kind });
      fake.fault({ on: 'media', kind, after: 1 });
      expect((await textOf(objects, 'x')) === text).toBe(true);
    });
  }

  for (const kind of ['truncated-body', 'stalled-body'] as const) {
    it(`understand no answer that is cut: ${kind}`, async () => {
      const objects = aFolder(quick);
      await made(objects, 'x', 'x');
      for (const on of ['get', 'list'] as const) fake.fault({ on, kind, times: 2 });
      expect(await textOf(objects, 'x')).toBe('x');
      expect(await objects.list({ prefix: '' })).toMatchObject({ ok: true, value: [{ name: 'x' }] });
    });
  }

  it('never give damaged bytes', async () => {
    const objects = aFolder();
    await made(objects, 'x', 'hello');
    fake.fault({ on: 'media', kind: 'flipped-bit', times: 100 });
    expect(await objects.read('x')).toMatchObject({
      ok: false,
      error: { kind: 'unavailable', retryable: true },
    });
    fake.clearFaults();
    fake.buckets.get(rig.bucket)?.alter(`trouble-${folders - 1}/x`, bytes('jello'), { lie: true });
    expect(messageOf(await objects.read('x'))).toContain('another checksum');
  });

  it('go on with an upload in parts where it stopped', async () => {
    const objects = aFolder({ partBytes: PART });
    const large = Buffer.alloc(PART * 4 + 7, 'abcdefg');
    fake.fault({ on: 'resumable-chunk', after: 1, kind: 'status', status: 503 });
    fake.fault({ on: 'resumable-chunk', after: 2, kind: 'lost-reply' });
    const created = await objects.create('large', large, TEXT);
    expect(created).toMatchObject({ ok: true, value: { size: large.length } });
    const read = await objects.read('large');
    expect(read.ok && Buffer.compare(Buffer.from(read.value.bytes), large)).toBe(0);
  }, 20_000);

  it('answer `precondition`, or the object itself, when the reply to the last part was lost', async () => {
    const objects = aFolder({ partBytes: PART });
    const large = Buffer.alloc(PART + 7, 'abcdefg');
    fake.fault({ on: 'resumable-chunk', after: 1, kind: 'lost-reply' });
    const created = await objects.create('large', large, TEXT);
    if (!created.ok) expect(created.error.kind).toBe('precondition');
    expect(await objects.facts('large')).toMatchObject({ ok: true, value: { size: large.length } });
  }, 20_000);

  it('begin an upload in parts anew when its session is refused', async () => {
    const objects = aFolder({ partBytes: PART });
    fake.fault({ on: 'resumable-start', kind: 'status', status: 503 });
    const created = await objects.create('large', Buffer.alloc(PART + 7), TEXT);
    expect(created).toMatchObject({ ok: true, value: { size: PART + 7 } });
  }, 20_000);

  it('say which role is missing, to whom and where', async () => {
    const objects = aFolder();
    const { generation } = await made(objects, 'x', 'x');
    const cases: readonly [string, string, () => Promise<Result<unknown, ObjectError>>][] = [
      ['storage.objects.create', 'objectCreator', () => objects.create('y', bytes('y'), TEXT)],
      ['storage.objects.get', 'objectViewer', () => objects.read('x')],
      ['storage.objects.list', 'objectViewer', () => objects.list({ prefix: '' })],
      ['storage.objects.delete', 'objectUser', () => objects.remove('x', generation)],
      ['storage.objects.delete', 'objectUser', () => objects.replace('x', bytes('y'), generation, TEXT)],
    ];
    for (const [permission, role, ask] of cases) {
      fake.deny(rig.identity.email, permission);
      const answer = await ask();
      expect(answer).toMatchObject({ ok: false, error: { kind: 'denied' } });
      expect(messageOf(answer)).toContain(`${rig.identity.email} lacks ${permission}`);
      expect(messageOf(answer)).toContain(
        `buckets add-iam-policy-binding gs://${rig.bucket} --member=serviceAccount:${rig.identity.email} --role=roles/storage.${role}`,
      );
      fake.allowAll();
    }
  });

  it('say that an uploaded part`s session was refused for want of a role', async () => {
    const objects = aFolder({ partBytes: PART });
    fake.deny(rig.identity.email, 'storage.objects.create');
    const answer = await objects.create('large', Buffer.alloc(PART + 7), TEXT);
    expect(answer).toMatchObject({ ok: false, error: { kind: 'denied' } });
    expect(messageOf(answer)).toContain('roles/storage.objectCreator');
  }, 20_000);

  it('say what mends a token that is refused, and credentials that are', async () => {
    const objects = aFolder();
    fake.fault({ on: 'list', kind: 'status', status: 401, message: 'Invalid Credentials' });
    const refused = await objects.list({ prefix: '' });
    expect(refused).toMatchObject({ ok: false, error: { kind: 'denied' } });
    expect(messageOf(refused)).toContain('gcloud auth application-default login');
    rig.identity.mood = 'refuses';
    const answer = await aFolder().list({ prefix: '' });
    expect(answer).toMatchObject({ ok: false, error: { kind: 'denied' } });
    expect(messageOf(answer)).toContain(rig.identity.keyFile);
  });

  it('wait for sign-in that is out of order', async () => {
    const objects = aFolder({ clock: manualClock({ start: Date.now(), autoAdvance: true }) });
    rig.identity.mood = 'away';
    expect(await objects.list({ prefix: '' })).toMatchObject({ ok: false, error: { kind: 'unavailable' } });
    rig.identity.mood = 'well';
    expect(await objects.list({ prefix: '' })).toEqual({ ok: true, value: [] });
  }, 30_000);

  it('say that a retention policy, not a role, stands in the way', async () => {
    fake.addBucket({ name: 'kept', retentionS: 3600 });
    const place = {
      kind: 'gcs',
      bucket: 'kept',
      prefix: 'p',
      credentials: { keyFile: rig.identity.keyFile },
    } as const;
    const objects = rig.objects('p', { place });
    const { generation } = await made(objects, 'x', 'x');
    for (const answer of [
      await objects.replace('x', bytes('y'), generation, TEXT),
      await objects.remove('x', generation),
    ]) {
      expect(answer).toMatchObject({ ok: false, error: { kind: 'denied' } });
      expect(messageOf(answer)).toMatch(/retention policy forbids/);
      expect(messageOf(answer)).not.toContain('add-iam-policy-binding');
    }
  });

  it('say that somebody must pay, and name who does', async () => {
    fake.addBucket({ name: 'paid', requesterPays: true });
    const place = {
      kind: 'gcs',
      bucket: 'paid',
      prefix: 'p',
      credentials: { keyFile: rig.identity.keyFile },
    } as const;
    const answer = await rig.objects('p', { place }).list({ prefix: '' });
    expect(answer).toMatchObject({ ok: false, error: { kind: 'denied' } });
    expect(messageOf(answer)).toContain('`project`');
    const paying = rig.objects('p', { place: { ...place, project: 'purse' }, partBytes: PART });
    const { generation } = await made(paying, 'x', 'x');
    expect(await textOf(paying, 'x')).toBe('x');
    expect(await paying.create('large', Buffer.alloc(PART + 1), TEXT)).toMatchObject({ ok: true });
    expect(await paying.remove('x', generation)).toMatchObject({ ok: true });
    expect(fake.requests.at(-1)?.path).toContain('userProject=purse');
  });

  it('list thousands, page by page, one page of which fails', async () => {
    const bucket = fake.addBucket({ name: 'many' });
    for (let at = 0; at < 2300; at++)
      bucket.put({
        name: `p/${String(at).padStart(6, '0')}`,
        bytes: bytes('x'),
        contentType: 'text/plain',
        metadata: {},
      });
    const place = {
      kind: 'gcs',
      bucket: 'many',
      prefix: 'p',
      credentials: { keyFile: rig.identity.keyFile },
    } as const;
    const objects = rig.objects('p', { place });
    fake.fault({ on: 'list', after: 1, kind: 'status', status: 503 });
    const listed = await objects.list({ prefix: '' });
    expect(listed.ok && listed.value.map(({ name }) => Number(name))).toEqual(
      Array.from({ length: 2300 }, (_, at) => at),
    );
    fake.fault({ on: 'list', after: 1, times: 1000, kind: 'status', status: 503 });
    const clock = manualClock({ start: Date.now(), autoAdvance: true });
    expect(await rig.objects('p', { place, clock }).list({ prefix: '' })).toMatchObject({
      ok: false,
      error: { kind: 'unavailable' },
    });
  });

  it('are read again when they were replaced between question and answer', async () => {
    const objects = aFolder();
    const first = await made(objects, 'x', 'one');
    fake.fault({ on: 'media', kind: 'slow', ms: 150 });
    const reading = textOf(objects, 'x');
    await new Promise((resolve) => setTimeout(resolve, 60));
    await objects.replace('x', bytes('two'), first.generation, TEXT);
    expect(await reading).toBe('two');
  });
});
