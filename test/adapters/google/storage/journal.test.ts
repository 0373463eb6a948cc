/** The journal in a bucket in memory: the contract, lost replies, packs and what could go wrong with them. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { gcsJournal } from '../../../../src/adapters/google/storage/journal.ts';
import { canonicalJson, type Entry, verifyChain } from '../../../../src/domain/journal.ts';
import type { JournalStore } from '../../../../src/ports/journal.ts';
import { journalContract } from '../../../contract/journal.ts';
import { type MemoryBucket, type MemoryClient, memoryBucket } from '../../../fakes/google/memory-objects.ts';
import { sha256, someChain } from '../../../fakes/journal-entries.ts';
import { manualClock } from '../../../fakes/manual-clock.ts';

let bucket: MemoryBucket;
const clock = manualClock();
beforeEach(() => {
  bucket = memoryBucket({ clock });
});

const nameOf = (seq: number): string => `journal/${String(seq).padStart(12, '0')}.json`;
const journalOf = (client: MemoryClient): JournalStore => gcsJournal({ objects: client.objects, clock });
const open = (): JournalStore => journalOf(bucket.client());
const FIRST_PACK = 'journal-packs/000000000001-000000000064.ndjson.gz';

journalContract('the journal in a bucket in memory', async () => ({
  open,
  tear: async (seq) => bucket.put(nameOf(seq), (bucket.texts().get(nameOf(seq)) ?? '').slice(0, 40)),
  overwrite: async (seq, value) => bucket.put(nameOf(seq), JSON.stringify(value)),
  remove: async (seq) => bucket.remove(nameOf(seq)),
  close: async () => undefined,
  tornEntries: 'refused',
  looksBack: false,
}));

async function write(count: number, to: JournalStore = open()): Promise<Entry[]> {
  const chain = someChain(count);
  for (const entry of chain) {
    expect(await to.append(entry)).toEqual({ ok: true, value: undefined });
    // Without a network entries come faster than packs are pressed.
    if (entry.seq % 64 === 0) await packed(entry.seq / 64);
  }
  return chain;
}

/** Packs are written beside the work. */
async function packed(count: number): Promise<void> {
  const packs = (): number =>
    [...bucket.texts().keys()].filter((name) => name.startsWith('journal-packs/')).length;
  // By the real time: pressing is done by real threads, which on a busy machine may be late.
  const until = performance.now() + 10_000;
  while (packs() < count && performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
  expect(packs()).toBe(count);
}

function problem(answer: { ok: boolean; error?: unknown }): string {
  const { error } = answer as { error?: { message?: string } };
  return error?.message ?? '';
}

describe('an entry in a bucket', () => {
  it('is one object, its text canonical, its number and hash beside it', async () => {
    const [first] = await write(2);
    expect([...bucket.texts().keys()]).toEqual([nameOf(1), nameOf(2)]);
    expect(bucket.texts().get(nameOf(1))).toMatch(/^\{"actor":.*\}\n$/);
    const facts = await bucket.client().objects.facts(nameOf(1));
    expect(facts).toMatchObject({ ok: true, value: { metadata: { seq: '1', hash: first?.hash } } });
  });

  it('is written though the reply was lost and the second try found it: no conflict', async () => {
    const client = bucket.client();
    const store = journalOf(client);
    client.faults = (call) => (call === 'create' ? 'lost-reply' : null);
    const chain = await write(3, store);
    expect(await open().read(0)).toEqual({ ok: true, value: chain });
  });

  it('may have been written where no answer came: the same entry again is a success, another a conflict', async () => {
    const client = bucket.client();
    const store = journalOf(client);
    const [entry] = someChain(1) as [Entry];
    client.faults = () => 'cut';
    expect(await store.append(entry)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable', retryable: true },
    });
    client.faults = null;
    expect((await store.append(entry)).ok).toBe(true);
    const [other] = someChain(1, ' other') as [Entry];
    expect(await store.append(other)).toEqual({ ok: false, error: { kind: 'conflict', seq: 1 } });
  });

  it('is not claimed where it cannot be read back: that is unknown, not a conflict', async () => {
    const client = bucket.client();
    client.faults = (call) => (call === 'create' ? 'lost-reply' : 'unavailable');
    expect(await journalOf(client).append(someChain(1)[0] as Entry)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable', retryable: true },
    });
  });

  it('is not tried again where it is denied, and says so with the bucket', async () => {
    const client = bucket.client();
    client.faults = () => 'denied';
    const store = journalOf(client);
    for (const answer of [await store.read(0), await store.append(someChain(1)[0] as Entry)]) {
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
      expect(problem(answer)).toContain('gs://memory/gstg');
    }
  });

  it('costs one request to append where its predecessor is known, and one more where it is not', async () => {
    const chain = await write(3);
    const client = bucket.client();
    const store = journalOf(client);
    const next = someChain(5).slice(3) as [Entry, Entry];
    expect((await store.append(next[0])).ok).toBe(true);
    expect(client.calls).toEqual([`facts ${nameOf(3)}`, `create ${nameOf(4)}`]);
    client.calls.length = 0;
    expect((await store.append(next[1])).ok).toBe(true);
    expect(client.calls).toEqual([`create ${nameOf(5)}`]);
    expect(await store.read(0)).toEqual({ ok: true, value: [...chain, ...next] });
  });

  it.each([
    ['a number', '1'],
    ['a list', '[]'],
    ['nothing', ''],
    ['an entry of another number', JSON.stringify(someChain(5)[4])],
    ['an entry without a hash', JSON.stringify({ ...someChain(2)[1], hash: undefined })],
    ['an entry whose prev is no hash', JSON.stringify({ ...someChain(2)[1], prev: 'x' })],
    ['an entry without a body', JSON.stringify({ ...someChain(2)[1], body: undefined })],
    ['an entry without a time', JSON.stringify({ ...someChain(2)[1], at: 'noon' })],
    ['an entry without an actor', JSON.stringify({ ...someChain(2)[1], actor: 7 })],
  ])('is corrupt where its object holds %s', async (_, text) => {
    await write(2);
    bucket.put(nameOf(2), text);
    expect(await open().read(0)).toMatchObject({ ok: false, error: { kind: 'corrupt', seq: 2 } });
    expect(await open().append(someChain(2)[1] as Entry)).toMatchObject({
      ok: false,
      error: { kind: 'corrupt' },
    });
  });
});

describe('reading a journal in a bucket', () => {
  it('costs one request when nothing is new, and one more for each new entry', async () => {
    const chain = await write(70);
    const client = bucket.client();
    const store = journalOf(client);
    expect(await store.read(70)).toEqual({ ok: true, value: [] });
    expect(client.calls).toEqual(['list journal/']);
    client.calls.length = 0;
    expect(await store.read(68)).toEqual({ ok: true, value: chain.slice(68) });
    expect(client.calls).toEqual(['list journal/', `read ${nameOf(69)}`, `read ${nameOf(70)}`]);
  });

  it('leaves objects of foreign names alone', async () => {
    const chain = await write(2);
    for (const name of [
      'journal/',
      'journal/README',
      'journal/3.json',
      'journal/000000000003.json~',
      'journal/x/000000000003.json',
      'journal/000000000000.json',
      'lease.json',
    ])
      bucket.put(name, 'x');
    expect(await open().read(0)).toEqual({ ok: true, value: chain });
  });

  it('does not believe a listing that lacks what stands there', async () => {
    const client = bucket.client();
    const store = journalOf(client);
    const chain = await write(3, store);
    client.faults = (call) => (call === 'list' ? 'stale' : null);
    expect(await store.read(0)).toEqual({ ok: true, value: chain });
    expect(await store.read(3)).toEqual({ ok: true, value: [] });
    // Of what nobody told it, a process cannot know.
    const other = bucket.client();
    other.faults = client.faults;
    const fresh = journalOf(other);
    expect(await fresh.read(0)).toEqual({ ok: true, value: chain.slice(0, 2) });
    expect(await fresh.append(someChain(3, ' other')[2] as Entry)).toMatchObject({
      error: { kind: 'conflict' },
    });
    expect(await fresh.read(2)).toEqual({ ok: true, value: chain.slice(2) });
  });

  it('is corrupt for a process under which the journal was taken away', async () => {
    const store = open();
    await write(3, store);
    for (const seq of [1, 2, 3]) bucket.remove(nameOf(seq));
    expect(await store.read(3)).toMatchObject({ ok: false, error: { kind: 'corrupt', seq: 3 } });
    expect(await store.read(0)).toMatchObject({ ok: false, error: { kind: 'corrupt', seq: 1 } });
  });

  it('fails as a whole when one entry does not come', async () => {
    await write(40);
    const client = bucket.client();
    client.faults = (_, name) => (name === nameOf(17) ? 'unavailable' : null);
    const answer = await journalOf(client).read(0);
    expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: true } });
    expect(problem(answer)).toContain('entry 17');
  });
});

describe('packs', () => {
  const readsOf = (client: MemoryClient): number =>
    client.calls.filter((call) => call.startsWith('read ')).length;

  it('spare the reading of 64 entries each', async () => {
    const chain = await write(200);
    const client = bucket.client();
    expect(await journalOf(client).read(0)).toEqual({ ok: true, value: chain });
    expect(readsOf(client)).toBe(3 + (200 - 192));
  });

  it('serve a reader who begins within one', async () => {
    const chain = await write(140);
    const client = bucket.client();
    expect(await journalOf(client).read(40)).toEqual({ ok: true, value: chain.slice(40) });
    expect(readsOf(client)).toBe(2 + 12);
  });

  it.each([
    ['missing', () => bucket.remove(FIRST_PACK)],
    ['not compressed', () => bucket.put(FIRST_PACK, 'x')],
    ['empty', () => bucket.put(FIRST_PACK, '')],
    ['of other lines', () => bucket.put(FIRST_PACK, gzipSync('{"entry":1}\n'))],
    ['a bomb', () => bucket.put(FIRST_PACK, gzipSync(Buffer.alloc(100_000_000)))],
  ] as const)('cost only time when they are %s', async (_, spoil) => {
    const chain = await write(130);
    spoil();
    expect(await open().read(0)).toEqual({ ok: true, value: chain });
  });

  it('cost only time when they cannot be read or written', async () => {
    const client = bucket.client();
    client.faults = (_, name) => (name.startsWith('journal-packs/') ? 'denied' : null);
    const store = journalOf(client);
    const chain = someChain(130);
    for (const entry of chain) expect((await store.append(entry)).ok).toBe(true);
    expect(await store.read(0)).toEqual({ ok: true, value: chain });
  });

  it('are written later where their writer died before, one an append', async () => {
    const chain = await write(130);
    const names = [...bucket.texts().keys()].filter((name) => name.startsWith('journal-packs/'));
    for (const name of names) bucket.remove(name);
    const store = open();
    expect((await store.read(0)).ok).toBe(true);
    const [next, last] = someChain(132).slice(130) as [Entry, Entry];
    expect((await store.append(next)).ok).toBe(true);
    await packed(1);
    expect((await store.append(last)).ok).toBe(true);
    await packed(2);
    expect(await open().read(0)).toEqual({ ok: true, value: [...chain, next, last] });
  });

  it('do not hide an entry that was altered after packing: the chain shows it', async () => {
    const chain = await write(64);
    bucket.put(nameOf(7), JSON.stringify({ ...chain[6], reason: 'forged' }));
    const read = await open().read(0);
    expect(read.ok && verifyChain(read.value, sha256)).toEqual({ kind: 'altered', seq: 7 });
  });

  it('do not hide an entry that was altered before packing, with its own hash and its neighbour’s word for it', async () => {
    const chain = await write(63);
    const { hash: _, ...forged } = { ...(chain[6] as Entry), reason: 'forged' };
    // Whole in itself; only the next entry's `prev` tells.
    bucket.put(nameOf(7), JSON.stringify({ ...forged, hash: sha256(canonicalJson(forged)) }));
    expect((await open().append(someChain(64)[63] as Entry)).ok).toBe(true);
    await packed(1);
    const client = bucket.client();
    const read = await journalOf(client).read(0);
    expect(read.ok && verifyChain(read.value, sha256)).toEqual({ kind: 'unlinked', seq: 8 });
  });

  it('are passed over line by line where they differ from the entries: what is read is what stands', async () => {
    const chain = await write(64);
    const lines = (await altered((text) => text)).length > 0 ? linesOf() : [];
    const spoilt = lines.map((line, index) => (index % 2 === 0 ? line : { ...line, generation: '1' }));
    bucket.put(FIRST_PACK, gzipSync(spoilt.map((line) => `${JSON.stringify(line)}\n`).join('')));
    const client = bucket.client();
    expect(await journalOf(client).read(0)).toEqual({ ok: true, value: chain });
    expect(readsOf(client)).toBe(1 + 32);
  });

  it('do not hide that an entry was taken away', async () => {
    await write(64);
    bucket.remove(nameOf(7));
    expect(await open().read(0)).toMatchObject({ ok: false, error: { kind: 'corrupt', seq: 7 } });
  });

  it('show by the chain where they were altered themselves; without them the journal is whole', async () => {
    const chain = await write(64);
    const spoilt = await altered((text) => text.replace('step 6', 'forged'));
    bucket.put(FIRST_PACK, spoilt);
    const read = await open().read(0);
    expect(read.ok && verifyChain(read.value, sha256)).toEqual({ kind: 'altered', seq: 7 });
    bucket.remove(FIRST_PACK);
    expect(await open().read(0)).toEqual({ ok: true, value: chain });
  });

  it('cost only time when they cannot be listed', async () => {
    const chain = await write(64);
    const client = bucket.client();
    client.faults = (call, name) =>
      call === 'list' && name.startsWith('journal-packs/') ? 'unavailable' : null;
    expect(await journalOf(client).read(0)).toEqual({ ok: true, value: chain });
  });

  it('are not believed where they hold another chain, whole in itself', async () => {
    const chain = await write(64);
    const other = someChain(64, ' other');
    const lines = (await altered((text) => text)).length > 0 ? linesOf() : [];
    bucket.put(
      FIRST_PACK,
      gzipSync(lines.map((line, index) => `${JSON.stringify({ ...line, entry: other[index] })}\n`).join('')),
    );
    expect(await open().read(0)).toEqual({ ok: true, value: chain });
  });

  const bytesOf = async (): Promise<Uint8Array> => {
    const read = await bucket.client().objects.read(FIRST_PACK);
    if (!read.ok) throw new Error('no pack');
    return read.value.bytes;
  };
  let text = '';
  async function altered(change: (text: string) => string): Promise<Uint8Array> {
    text = gunzipSync(await bytesOf()).toString('utf8');
    return gzipSync(change(text));
  }
  const linesOf = (): { entry: Entry; generation: string }[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
});
