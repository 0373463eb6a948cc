/** The journal through Google's library over HTTP: the contract, replies that get lost on the way, and processes that race. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gcsJournal } from '../../../../src/adapters/google/storage/journal.ts';
import type { Objects } from '../../../../src/adapters/google/storage/objects.ts';
import { type Entry, verifyChain } from '../../../../src/domain/journal.ts';
import type { JournalStore } from '../../../../src/ports/journal.ts';
import { journalContract } from '../../../contract/journal.ts';
import { fillJournal } from '../../../fakes/google/journal-in-bucket.ts';
import {
  hurriedClock,
  type StorageUnderTest,
  storageUnderTest,
} from '../../../fakes/google/storage-under-test.ts';
import { sha256, someChain } from '../../../fakes/journal-entries.ts';
import type { WriterOrder } from './journal-writer.ts';

let server: StorageUnderTest;
beforeAll(async () => {
  server = await storageUnderTest();
});
afterAll(() => server.close());

let folders = 0;
const newFolder = (): string => {
  folders += 1;
  return `agents/f${folders}`;
};
const journalIn = (objects: Objects): JournalStore => gcsJournal({ objects, clock: hurriedClock });
const nameOf = (seq: number): string => `journal/${String(seq).padStart(12, '0')}.json`;

/** What somebody with `gcloud storage cp` does. */
async function overwrite(objects: Objects, name: string, text: string): Promise<void> {
  const there = await objects.facts(name);
  if (!there.ok) throw new Error(there.error.message);
  const done = await objects.replace(name, Buffer.from(text), there.value.generation, {
    contentType: 'application/json',
    metadata: there.value.metadata,
  });
  if (!done.ok) throw new Error(done.error.message);
}

async function remove(objects: Objects, name: string): Promise<void> {
  const there = await objects.facts(name);
  if (!there.ok) throw new Error(there.error.message);
  const done = await objects.remove(name, there.value.generation);
  if (!done.ok) throw new Error(done.error.message);
}

journalContract('the journal in a bucket over HTTP', async () => {
  const prefix = newFolder();
  const objects = server.objects(prefix);
  return {
    open: () => journalIn(objects),
    tear: async (seq) => {
      const read = await objects.read(nameOf(seq));
      if (!read.ok) throw new Error(read.error.message);
      await overwrite(objects, nameOf(seq), Buffer.from(read.value.bytes).toString('utf8').slice(0, 40));
    },
    overwrite: (seq, value) => overwrite(objects, nameOf(seq), JSON.stringify(value)),
    remove: (seq) => remove(objects, nameOf(seq)),
    close: async () => undefined,
    tornEntries: 'refused',
    looksBack: false,
  };
});

describe('the journal in a bucket over HTTP', () => {
  it('takes a reply that was lost for what it is, and so a truncated one', async (context) => {
    if (server.fake === null) return context.skip('faults are the fake’s: another server is under test');
    const objects = server.objects(newFolder());
    const store = journalIn(objects);
    const chain = someChain(6);
    for (const entry of chain) {
      server.fake.fault({ on: 'insert', kind: entry.seq % 2 === 0 ? 'lost-reply' : 'truncated-body' });
      expect(await store.append(entry)).toEqual({ ok: true, value: undefined });
    }
    expect(await journalIn(server.objects('agents/f-none')).read(0)).toEqual({ ok: true, value: [] });
    expect(await journalIn(objects).read(0)).toEqual({ ok: true, value: chain });
    return undefined;
  });

  it('is read through 429, 503, broken connections and flipped bits', async (context) => {
    if (server.fake === null) return context.skip('faults are the fake’s: another server is under test');
    const prefix = newFolder();
    const chain = someChain(80);
    await fillJournal(server.objects(prefix), chain);
    server.fake.fault({ on: 'list', kind: 'status', status: 503 });
    server.fake.fault({ on: 'list', kind: 'status', status: 429 });
    server.fake.fault({ on: 'media', kind: 'reset', times: 3 });
    server.fake.fault({ on: 'media', kind: 'truncated-body', times: 2 });
    server.fake.fault({ on: 'media', kind: 'status', status: 503, times: 2 });
    expect(await journalIn(server.objects(prefix)).read(0)).toEqual({ ok: true, value: chain });
    // A damaged pack is read anew from the entries; a damaged entry is an error, never an entry.
    server.fake.fault({ on: 'media', name: 'journal-packs/', kind: 'flipped-bit', times: 9 });
    expect(await journalIn(server.objects(prefix)).read(0)).toEqual({ ok: true, value: chain });
    server.fake.fault({ on: 'media', name: nameOf(70), kind: 'flipped-bit', times: 99 });
    expect(await journalIn(server.objects(prefix)).read(0)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable' },
    });
    server.fake.clearFaults();
    return undefined;
  });

  it('says that the bucket may not be read, or is not there', async (context) => {
    if (server.fake === null) return context.skip('rights are the fake’s: another server is under test');
    server.fake.deny('*', 'storage.objects.list', 'storage.objects.create');
    const store = journalIn(server.objects(newFolder()));
    for (const answer of [await store.read(0), await store.append(someChain(1)[0] as Entry)])
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
    server.fake.allowAll();
    return undefined;
  });

  it('polls with one request when nothing is new', async (context) => {
    if (server.fake === null)
      return context.skip('requests are counted by the fake: another server is under test');
    const prefix = newFolder();
    await fillJournal(server.objects(prefix), someChain(130));
    const store = journalIn(server.objects(prefix));
    expect((await store.read(0)).ok).toBe(true);
    const before = server.fake.requests.length;
    expect(await store.read(130)).toEqual({ ok: true, value: [] });
    expect(server.fake.requests.slice(before).map((one) => one.operation)).toEqual(['list']);
    return undefined;
  });

  const children: ChildProcess[] = [];
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  it('becomes one whole chain, nothing lost, when several processes write at once', {
    timeout: 60_000,
  }, async () => {
    const prefix = newFolder();
    const { url, bucket, identity } = server;
    const order: WriterOrder = { url, bucket, prefix, keyFile: identity.keyFile, count: 12 };
    const writers = Array.from({ length: 3 }, () => {
      const script = join(import.meta.dirname, 'journal-writer.ts');
      const child = spawn(process.execPath, [script, JSON.stringify(order)], {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, METADATA_SERVER_DETECTION: 'none' },
      });
      children.push(child);
      return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
    });
    for (const { lines } of writers) expect((await lines.next()).value).toBe('ready');
    const ended = writers.map(({ child }) => once(child, 'exit'));
    for (const { child } of writers) child.stdin.write('go\n');
    expect((await Promise.all(ended)).map(([code]) => code)).toEqual([0, 0, 0]);
    const read = await journalIn(server.objects(prefix)).read(0);
    const entries = read.ok ? read.value : [];
    expect(verifyChain(entries, sha256)).toBeNull();
    const expected = writers.flatMap(({ child }) =>
      Array.from({ length: 12 }, (_, i) => `${child.pid}/${i}`),
    );
    expect(entries).toHaveLength(36);
    expect(new Set(entries.map((entry) => entry.reason))).toEqual(new Set(expected));
  });
});
