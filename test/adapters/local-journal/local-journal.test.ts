/** The journal in a real folder: the contract, and what only a disk can do. */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';
import { chainError, readVerified, sha256Hex } from '../../../src/adapters/local-journal/chain.ts';
import { localJournal } from '../../../src/adapters/local-journal/local-journal.ts';
import { type Entry, verifyChain } from '../../../src/domain/journal.ts';
import type { JournalStore } from '../../../src/ports/journal.ts';
import { journalContract } from '../../contract/journal.ts';
import { someChain } from '../../fakes/journal-entries.ts';
import { manualClock } from '../../fakes/manual-clock.ts';

let base: string;
let folder: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'rollout-journal-'));
  folder = join(base, 'journals', 'gstg');
});
afterEach(() => rm(base, { recursive: true, force: true }));

const open = (): JournalStore => localJournal({ folder, clock: manualClock({ start: Date.now() }) });
const fileOf = (seq: number): string => join(folder, `${String(seq).padStart(12, '0')}.json`);
const names = async (): Promise<string[]> => (await readdir(folder)).sort();

async function write(count: number): Promise<Entry[]> {
  const chain = someChain(count);
  for (const entry of chain) expect(await open().append(entry)).toEqual({ ok: true, value: undefined });
  return chain;
}

journalContract('the journal in a folder', async () => ({
  open,
  tear: async (seq) => truncate(fileOf(seq), 40),
  overwrite: async (seq, value) => writeFile(fileOf(seq), JSON.stringify(value)),
  remove: (seq) => rm(fileOf(seq)),
  close: async () => undefined,
}));

describe('the journal in a folder', () => {
  it('keeps one file an entry, for its owner only, and nothing beside them', async () => {
    await write(2);
    expect(await names()).toEqual(['000000000001.json', '000000000002.json']);
    expect((await stat(fileOf(1))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(await readFile(fileOf(1), 'utf8')).toMatch(/^\{"actor":.*\}\n$/);
  });

  it.each([
    ['empty', ''],
    ['cut off after its first character', '{'],
    ['full of zeros', '\0'.repeat(200)],
  ])('takes a last file that is %s as torn, and keeps it beside its replacement', async (_, text) => {
    const chain = await write(2);
    await writeFile(fileOf(2), text);
    expect(await open().read(0)).toEqual({ ok: true, value: chain.slice(0, 1) });
    expect((await open().append(chain[1] as Entry)).ok).toBe(true);
    expect(await open().read(0)).toEqual({ ok: true, value: chain });
    expect(await names()).toEqual(['000000000001.json', '000000000002.1.json', '000000000002.json']);
    const third = someChain(3)[2] as Entry;
    expect((await open().append(third)).ok).toBe(true);
    expect(await open().read(1)).toEqual({ ok: true, value: [chain[1], third] });
  });

  it('replaces a torn replacement too', async () => {
    const chain = await write(1);
    await writeFile(fileOf(1), '');
    await writeFile(join(folder, '000000000001.1.json'), '');
    expect((await open().append(chain[0] as Entry)).ok).toBe(true);
    expect(await open().read(0)).toEqual({ ok: true, value: chain });
  });

  it('is corrupt when a torn file turns out whole after it was replaced: two entries claim one number', async () => {
    const chain = await write(1);
    await writeFile(join(folder, '000000000001.1.json'), JSON.stringify(someChain(1, ' other')[0]));
    expect(await open().read(0)).toMatchObject({ ok: false, error: { kind: 'corrupt', seq: 1 } });
    expect(await open().append(chain[0] as Entry)).toMatchObject({
      ok: false,
      error: { kind: 'corrupt', seq: 1 },
    });
  });

  it.each([
    ['a number', '1'],
    ['a list', '[]'],
    ['an entry of another number', JSON.stringify(someChain(5)[4])],
    ['an entry without a hash', JSON.stringify({ ...someChain(2)[1], hash: undefined })],
    ['an entry whose prev is no hash', JSON.stringify({ ...someChain(2)[1], prev: 'x' })],
    ['an entry without a body', JSON.stringify({ ...someChain(2)[1], body: undefined })],
    ['an entry without a time', JSON.stringify({ ...someChain(2)[1], at: 'noon' })],
    ['an entry without an actor', JSON.stringify({ ...someChain(2)[1], actor: 7 })],
  ])('is corrupt, not torn, where a file holds %s', async (_, text) => {
    await write(2);
    await writeFile(fileOf(2), text);
    const read = await open().read(0);
    expect(read).toMatchObject({ ok: false, error: { kind: 'corrupt', seq: 2 } });
    expect(await open().append(someChain(2)[1] as Entry)).toMatchObject({
      ok: false,
      error: { kind: 'corrupt' },
    });
  });

  it('is corrupt where a folder stands under an entry’s name', async () => {
    await mkdir(fileOf(1), { recursive: true });
    expect(await open().read(0)).toMatchObject({ ok: false, error: { kind: 'corrupt', seq: 1 } });
  });

  it('leaves other files alone: the lease’s folder, notes, an editor’s copies', async () => {
    const chain = await write(1);
    const others = [
      'lease',
      'README',
      '12.json',
      '000000000002.json~',
      '000000000002.0.json',
      '000000000000.json',
    ];
    for (const name of others) await writeFile(join(folder, name), 'x');
    expect(await open().read(0)).toEqual({ ok: true, value: chain });
    expect(await names()).toEqual(expect.arrayContaining(others));
  });

  it('ignores what killed writers left, and clears it away once it is an hour old', async () => {
    await write(1);
    const old = join(folder, '.2.123.0.tmp');
    const young = join(folder, '.2.124.0.tmp');
    await writeFile(old, '{');
    await writeFile(young, '{');
    const longAgo = new Date(Date.now() - 3_700_000);
    await utimes(old, longAgo, longAgo);
    expect((await open().read(0)).ok).toBe(true);
    expect((await open().append(someChain(2)[1] as Entry)).ok).toBe(true);
    expect(await names()).toEqual(['.2.124.0.tmp', '000000000001.json', '000000000002.json']);
  });

  it('says so when a file stands where the folder should be', async () => {
    await mkdir(join(base, 'journals'));
    await writeFile(folder, '');
    const entry = someChain(1)[0] as Entry;
    for (const answer of [await open().read(0), await open().append(entry)]) {
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
      expect(!answer.ok && 'message' in answer.error && answer.error.message).toMatch(
        /gstg.*a file where a folder should be/,
      );
    }
  });

  it('says so when the path leads in a circle', async () => {
    await mkdir(join(base, 'journals'));
    await symlink(folder, folder);
    expect(await open().read(0)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable', retryable: false },
    });
  });

  it('appends after a failure that has been mended, with the same store', async () => {
    await mkdir(join(base, 'journals'));
    await writeFile(folder, '');
    const store = open();
    const entry = someChain(1)[0] as Entry;
    expect((await store.append(entry)).ok).toBe(false);
    await rm(folder);
    expect((await store.append(entry)).ok).toBe(true);
  });

  it('refuses to go on when the folder was taken away under a running process', async () => {
    const chain = someChain(3);
    const store = open();
    for (const entry of chain.slice(0, 2)) await store.append(entry);
    await rm(folder, { recursive: true });
    expect(await store.read(2)).toMatchObject({ ok: false, error: { kind: 'corrupt' } });
    expect(await store.append(chain[2] as Entry)).toMatchObject({
      ok: false,
      error: { kind: 'corrupt', seq: 2 },
    });
  });

  it('says that the folder may not be read', async () => {
    await write(1);
    await chmod(folder, 0);
    // Root may read everything: then another user has to look.
    const adapter = join(import.meta.dirname, '../../../src/adapters/local-journal/local-journal.ts');
    const script = `import { localJournal } from ${JSON.stringify(adapter)};
      if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
      const clock = { now: () => 0, sleep: async () => {} };
      console.log(JSON.stringify(await localJournal({ folder: ${JSON.stringify(folder)}, clock }).read(0)));`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    await chmod(folder, 0o700);
    expect(JSON.parse(said)).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
    expect(said).toContain('permission denied');
  });

  it('says that the disk is full, leaves nothing half-written, and goes on once there is room', async (context) => {
    await mkdir(folder, { recursive: true });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', folder], { stdio: 'pipe' });
    } catch {
      return context.skip('a full disk is made with a small tmpfs, which this user may not mount');
    }
    try {
      const store = open();
      const ballast = join(folder, 'ballast');
      const entry = someChain(1)[0] as Entry;
      await writeFile(ballast, Buffer.alloc(16_384)).catch(() => undefined);
      const answer = await store.append(entry);
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: true } });
      expect(!answer.ok && 'message' in answer.error && answer.error.message).toContain('the disk is full');
      expect(await names()).toEqual(['ballast']);
      await rm(ballast);
      expect((await store.append(entry)).ok).toBe(true);
      expect(await store.read(0)).toEqual({ ok: true, value: [entry] });
    } finally {
      execFileSync('umount', [folder]);
    }
    return undefined;
  });

  const writer = (count: number): ChildProcessByStdio<null, Readable, null> =>
    spawn(process.execPath, [join(import.meta.dirname, 'writer.ts'), folder, String(count)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });

  it('holds only whole entries after a writer was killed at any moment', async () => {
    for (const afterMs of [5, 23, 60]) {
      const child = writer(100_000);
      const ended = once(child, 'exit');
      await once(child.stdout, 'data');
      await systemClock.sleep(afterMs);
      child.kill('SIGKILL');
      await ended;
      const read = await readVerified(open());
      const head = read.ok ? read.value.length : 0;
      expect(head).toBeGreaterThan(0);
      expect((await names()).filter((name) => name.endsWith('.json'))).toHaveLength(head);
    }
  });

  it('becomes one whole chain, nothing lost, when several processes write at once', async () => {
    const children = Array.from({ length: 4 }, () => writer(20));
    const codes = await Promise.all(children.map((child) => once(child, 'exit')));
    expect(codes.map(([code]) => code)).toEqual([0, 0, 0, 0]);
    const read = await readVerified(open());
    const reasons = read.ok ? read.value.map((entry) => entry.reason?.split(' ')[0]) : [];
    const expected = children.flatMap((child) => Array.from({ length: 20 }, (_, i) => `${child.pid}/${i}`));
    expect(reasons).toHaveLength(80);
    expect(new Set(reasons)).toEqual(new Set(expected));
  });
});

describe('the chain of a journal in a folder', () => {
  it('names the entry that was changed by hand', async () => {
    const chain = await write(3);
    await writeFile(fileOf(2), JSON.stringify({ ...chain[1], reason: 'forged' }));
    const read = await readVerified(open());
    expect(read).toMatchObject({ ok: false, error: { kind: 'corrupt', seq: 2 } });
    expect(!read.ok && 'message' in read.error && read.error.message).toContain(
      'changed after it was written',
    );
  });

  it('has words for every way to break', () => {
    expect(chainError({ kind: 'gap', expected: 2, found: 3 })).toMatchObject({ seq: 2 });
    expect(chainError({ kind: 'unlinked', seq: 4 })).toMatchObject({ kind: 'corrupt', seq: 4 });
    expect(chainError({ kind: 'unknown-schema', seq: 5, schema: 9 })).toMatchObject({
      kind: 'corrupt',
      seq: 5,
    });
  });

  it('is made with sha256, lower-case hex, of UTF-8', () => {
    expect(sha256Hex('é')).toBe('4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c');
    expect(verifyChain(someChain(3), sha256Hex)).toBeNull();
  });
});
