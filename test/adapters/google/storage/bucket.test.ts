import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ObjectReadError, type Objects } from '../../../../src/adapters/google/storage/objects.ts';
import {
  otherStorage,
  type StorageUnderTest,
  storageUnderTest,
} from '../../../fakes/google/storage-under-test.ts';

const TEXT = { contentType: 'text/plain' };
const bytes = (text: string): Uint8Array => Buffer.from(text);
let rig: StorageUnderTest;
let folders = 0;
beforeAll(async () => {
  rig = await storageUnderTest();
});
afterEach(() => rig.fake?.clearFaults());
afterAll(() => rig.close());

const aFolder = (more: Parameters<StorageUnderTest['objects']>[1] = {}): Objects =>
  rig.objects(`team/rollout-${folders++}`, more);
async function made(objects: Objects, name: string, text: string) {
  const answer = await objects.create(name, bytes(text), TEXT);
  if (!answer.ok) throw new Error(answer.error.message);
  return answer.value;
}
async function drained(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts).toString();
}

describe('objects in a bucket', () => {
  it('are created once, and come back with what was said of them', async () => {
    const objects = aFolder();
    const before = Date.now();
    const created = await objects.create('a/b', bytes('hello'), { ...TEXT, metadata: { sha256: 'abc' } });
    expect(created).toMatchObject({ ok: true, value: { name: 'a/b', size: 5, metadata: { sha256: 'abc' } } });
    const facts = await objects.facts('a/b');
    expect(facts).toEqual(created);
    if (!facts.ok) throw new Error(facts.error.message);
    expect(facts.value.generation).toMatch(/^\d+$/);
    expect(Math.abs(facts.value.writtenAt - before)).toBeLessThan(60_000);
    const read = await objects.read('a/b');
    expect(read.ok && Buffer.from(read.value.bytes).toString()).toBe('hello');
    expect(read.ok && read.value.facts).toEqual(facts.value);
    expect(await objects.create('a/b', bytes('hello'), TEXT)).toMatchObject({
      ok: false,
      error: { kind: 'precondition' },
    });
  });

  it('may be empty', async () => {
    const objects = aFolder();
    expect(await objects.create('empty', new Uint8Array(0), TEXT)).toMatchObject({
      ok: true,
      value: { size: 0 },
    });
    const read = await objects.read('empty');
    expect(read.ok && read.value.bytes.length).toBe(0);
  });

  it('are replaced only by who knows their generation', async () => {
    const objects = aFolder();
    const first = await made(objects, 'lease', 'anna');
    const second = await objects.replace('lease', bytes('bert'), first.generation, TEXT);
    expect(second.ok && BigInt(second.value.generation) > BigInt(first.generation)).toBe(true);
    expect(await objects.replace('lease', bytes('carl'), first.generation, TEXT)).toMatchObject({
      ok: false,
      error: { kind: 'precondition' },
    });
    const read = await objects.read('lease');
    expect(read.ok && Buffer.from(read.value.bytes).toString()).toBe('bert');
  });

  it('let exactly one of many win that create the same one at once', async () => {
    const objects = aFolder();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => objects.create('entry', bytes(`${index}`), TEXT)),
    );
    expect(answers.filter((answer) => answer.ok)).toHaveLength(1);
    expect(answers.filter((answer) => !answer.ok && answer.error.kind === 'precondition')).toHaveLength(7);
  });

  it('are removed only in the generation that is meant', async () => {
    const objects = aFolder();
    const { generation } = await made(objects, 'x', 'x');
    expect(await objects.remove('x', '1')).toMatchObject({ ok: false, error: { kind: 'precondition' } });
    expect(await objects.remove('x', generation)).toEqual({ ok: true, value: undefined });
    expect(await objects.remove('x', generation)).toMatchObject({ ok: false, error: { kind: 'not-found' } });
    expect(await objects.facts('x')).toMatchObject({ ok: false, error: { kind: 'not-found' } });
    expect(await objects.read('x')).toMatchObject({ ok: false, error: { kind: 'not-found' } });
  });

  it('are read in the generation that is asked for, which is gone once overwritten', async () => {
    const objects = aFolder();
    const first = await made(objects, 'x', 'one');
    expect(await drained(objects.open('x', first.generation))).toBe('one');
    await objects.replace('x', bytes('two'), first.generation, TEXT);
    if (otherStorage() !== null) {
      // Google's test bench keeps overwritten generations, also in buckets without versioning.
      const found = await drained(objects.open('x', first.generation)).catch(() => 'gone');
      expect(['one', 'gone']).toContain(found);
      return;
    }
    expect(await objects.read('x', { generation: first.generation })).toMatchObject({
      ok: false,
      error: { kind: 'not-found' },
    });
    await expect(drained(objects.open('x', first.generation))).rejects.toMatchObject({
      error: { kind: 'not-found' },
    });
  });

  it('are listed in the order of their names, from a name on, those of others left out', async () => {
    const objects = aFolder();
    for (const name of ['e/3', 'e/1', 'e/2', 'f/1', 'e/é', 'e/10']) await made(objects, name, name);
    const names = async (options: Parameters<Objects['list']>[0]): Promise<unknown> => {
      const listed = await objects.list(options);
      return listed.ok ? listed.value.map(({ name }) => name) : listed.error;
    };
    expect(await names({ prefix: 'e/' })).toEqual(['e/1', 'e/10', 'e/2', 'e/3', 'e/é']);
    expect(await names({ prefix: 'e/', startAt: 'e/2' })).toEqual(['e/2', 'e/3', 'e/é']);
    expect(await names({ prefix: 'none/' })).toEqual([]);
  });

  it('are read by what a listing told, in one request', async () => {
    const objects = aFolder();
    await made(objects, 'x', 'one');
    const listed = await objects.list({ prefix: '' });
    const known = listed.ok ? listed.value[0] : undefined;
    if (known === undefined) throw new Error('nothing listed');
    const read = await objects.read('x', { known });
    expect(read).toMatchObject({ ok: true });
    expect(read.ok && Buffer.from(read.value.bytes).toString()).toBe('one');
    expect(read.ok && read.value.facts).toEqual(known);
  });

  it('are uploaded in parts when they are large, told of as they are stored', async () => {
    const part = 256 * 1024;
    const objects = aFolder({ partBytes: part });
    const large = Buffer.alloc(part * 3 + 1000, 'abcdefg');
    const told: number[] = [];
    const created = await objects.create(
      'large',
      async function* () {
        for (let at = 0; at < large.length; at += 100_000) yield large.subarray(at, at + 100_000);
      },
      { ...TEXT, size: large.length, metadata: { sha256: 'abc' }, onProgress: (stored) => told.push(stored) },
    );
    expect(created).toMatchObject({ ok: true, value: { size: large.length, metadata: { sha256: 'abc' } } });
    expect(told).toEqual([part, part * 2, part * 3, large.length]);
    const read = await objects.read('large');
    expect(read).toMatchObject({ ok: true });
    expect(read.ok && Buffer.compare(Buffer.from(read.value.bytes), large)).toBe(0);
    const again = await objects.create('large', large, TEXT);
    expect(again).toMatchObject({ ok: false, error: { kind: 'precondition' } });
  });

  it('are not made of a source that fails, or is of another size than announced', async () => {
    const objects = aFolder({ partBytes: 256 * 1024 });
    const sizes = [10, 600_000];
    for (const size of sizes) {
      const failing = await objects.create(
        `f-${size}`,
        async function* () {
          yield Buffer.alloc(size / 2);
          throw new Error('EIO: i/o error');
        },
        { ...TEXT, size },
      );
      expect(failing).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
      expect(failing.ok ? '' : failing.error.message).toContain('EIO');
      for (const real of [size - 1, size + 1]) {
        const wrong = await objects.create(
          `f-${size}`,
          async function* () {
            yield Buffer.alloc(real);
          },
          { ...TEXT, size },
        );
        expect(wrong).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
      }
    }
    expect(await objects.list({ prefix: '' })).toEqual({ ok: true, value: [] });
  });

  it('tell the server`s time', async () => {
    const objects = aFolder();
    expect(objects.serverNow()).toBe(null);
    await objects.list({ prefix: '' });
    expect(Math.abs((objects.serverNow() ?? 0) - Date.now())).toBeLessThan(5000);
  });

  it('say that a bucket is not there, not that it is empty', async () => {
    const objects = rig.objects('p', {
      place: {
        kind: 'gcs',
        bucket: 'no-such-bucket-here',
        prefix: 'p',
        credentials: { keyFile: rig.identity.keyFile },
      },
    });
    for (const answer of [
      await objects.list({ prefix: '' }),
      await objects.facts('x'),
      await objects.read('x'),
      await objects.create('x', bytes('x'), TEXT),
    ]) {
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
      expect(answer.ok ? '' : answer.error.message).toMatch(/no bucket no-such-bucket-here.*buckets create/);
    }
  });

  it('is named for messages', () => {
    expect(rig.objects('uptycs').label).toBe(`gs://${rig.bucket}/uptycs`);
    expect(rig.objects('').label).toBe(`gs://${rig.bucket}`);
    expect(new ObjectReadError({ kind: 'not-found', message: 'gone' }).message).toBe('gone');
  });
});
