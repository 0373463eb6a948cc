/** What the fake does that no client of ours asks for, and that others rely on. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeStorage, startStorageServer } from './storage-server.ts';

const CHUNK = new Uint8Array(256 * 1024);

let storage: FakeStorage;
beforeEach(async () => {
  storage = await startStorageServer({ buckets: [{ name: 'b' }], tokens: false });
});
afterEach(() => storage.close());

async function session(): Promise<string> {
  const url = `${storage.url}/upload/storage/v1/b/b/o?uploadType=resumable&name=big`;
  const answer = await fetch(url, { method: 'POST' });
  expect(answer.status).toBe(200);
  return answer.headers.get('location') ?? '';
}
const send = async (url: string, range: string, body?: Uint8Array<ArrayBuffer>): Promise<number> =>
  (
    await fetch(url, {
      method: 'PUT',
      headers: { 'content-range': range },
      ...(body === undefined ? {} : { body }),
    })
  ).status;
const cancel = async (url: string): Promise<number> => (await fetch(url, { method: 'DELETE' })).status;
const objectStatus = async (): Promise<number> => (await fetch(`${storage.url}/storage/v1/b/b/o/big`)).status;

describe('an upload in parts that is cancelled', () => {
  it('answers 499; nothing was created, and nobody can go on with it', async () => {
    const url = await session();
    expect(await send(url, `bytes 0-${CHUNK.length - 1}/*`, CHUNK)).toBe(308);
    expect(await cancel(url)).toBe(499);
    expect(await objectStatus()).toBe(404);
    expect(await send(url, 'bytes */*')).toBe(404);
    expect(
      await send(url, `bytes ${CHUNK.length}-${CHUNK.length}/${CHUNK.length + 1}`, CHUNK.slice(0, 1)),
    ).toBe(404);
    expect(await cancel(url)).toBe(404);
    expect(await objectStatus()).toBe(404);
    expect(storage.requests.filter(({ operation }) => operation === 'resumable-cancel')).toHaveLength(2);
  });

  it('is not cancelled where it has ended: the object stays', async () => {
    const url = await session();
    expect(await send(url, `bytes 0-${CHUNK.length - 1}/${CHUNK.length}`, CHUNK)).toBe(200);
    await cancel(url);
    expect(await objectStatus()).toBe(200);
  });

  it('leaves another upload of the same name alone', async () => {
    const [one, other] = [await session(), await session()];
    expect(await cancel(one)).toBe(499);
    expect(await send(other, `bytes 0-${CHUNK.length - 1}/${CHUNK.length}`, CHUNK)).toBe(200);
  });
});
