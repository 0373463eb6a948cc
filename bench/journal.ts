/** Reading, checking and folding the journal of a rollout over 10,000 hosts (goal: 0.5 s), and what an append costs. */
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/adapters/clock/system-clock.ts';
import { sha256Hex } from '../src/adapters/local-journal/chain.ts';
import { entryFile } from '../src/adapters/local-journal/entry-file.ts';
import { localJournal } from '../src/adapters/local-journal/local-journal.ts';
import { foldEntries } from '../src/domain/fold.ts';
import { type Entry, type EntryBody, sealEntry, verifyChain } from '../src/domain/journal.ts';
import { entryText } from '../src/domain/journal-text.ts';
import { journalOfRollout } from './journal-of-rollout.ts';
import { type BenchRow, measure, median } from './row.ts';

const HOSTS = 10_000;
const SMALL_ENTRIES = 5_000;
const APPENDS = 200;
const RUNS = 5;

export async function benchJournal(): Promise<BenchRow[]> {
  const base = await mkdtemp(join(tmpdir(), 'rollout-bench-'));
  try {
    const replay = await benchReplay(base, `replay, ${HOSTS} hosts`, journalOfRollout(HOSTS), 500);
    const small = await benchReplay(
      base,
      `replay, ${SMALL_ENTRIES} small entries`,
      smallEntries(SMALL_ENTRIES),
    );
    return [...replay, ...small, ...(await benchAppend(base))];
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

async function benchReplay(
  base: string,
  what: string,
  entries: readonly Entry[],
  goalMs?: number,
): Promise<BenchRow[]> {
  const folder = join(base, 'replay');
  const lines = join(base, 'lines');
  await mkdir(folder);
  const texts = entries.map(entryText);
  for (const [index, text] of texts.entries())
    await writeFile(join(folder, entryFile(index + 1, 0).name), text);
  await writeFile(lines, texts.join(''));
  const bytes = texts.reduce((sum, text) => sum + text.length, 0);

  const store = localJournal({ folder, clock: systemClock });
  const runs = await repeated(async () => {
    const plain = await measure(async () =>
      (await readFile(lines, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    );
    const read = await measure(async () => {
      const answer = await store.read(0);
      if (!answer.ok) throw new Error(JSON.stringify(answer.error));
      return answer.value;
    });
    const verify = await measure(() => {
      const broken = verifyChain(read.value, sha256Hex);
      if (broken) throw new Error(JSON.stringify(broken));
    });
    const fold = await measure(() => foldEntries(read.value));
    return { plain, read, verify, fold };
  });
  const wall = (pick: (run: (typeof runs)[number]) => number): number => median(runs.map(pick));
  const row = (name: string, wallMs: number, cpuMs: number, note: string): BenchRow => ({
    name,
    what,
    wallMs,
    cpuMs,
    note,
  });
  await rm(folder, { recursive: true });
  return [
    row(
      'JSON.parse of one file',
      wall((r) => r.plain.wallMs),
      wall((r) => r.plain.cpuMs),
      'the same entries, unchecked',
    ),
    row(
      'read the folder',
      wall((r) => r.read.wallMs),
      wall((r) => r.read.cpuMs),
      `${entries.length} files, ${(bytes / 1e6).toFixed(1)} MB`,
    ),
    row(
      'check the chain',
      wall((r) => r.verify.wallMs),
      wall((r) => r.verify.cpuMs),
      'canonical JSON and sha256',
    ),
    row(
      'fold',
      wall((r) => r.fold.wallMs),
      wall((r) => r.fold.cpuMs),
      '',
    ),
    {
      ...row(
        'all three',
        wall((r) => r.read.wallMs + r.verify.wallMs + r.fold.wallMs),
        wall((r) => r.read.cpuMs + r.verify.cpuMs + r.fold.cpuMs),
        `median of ${RUNS}`,
      ),
      ...(goalMs === undefined ? {} : { goalMs }),
    },
  ];
}

async function repeated<T>(run: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let n = 0; n < RUNS; n++) results.push(await run());
  return results;
}

async function benchAppend(base: string): Promise<BenchRow[]> {
  const what = 'append, one entry';
  const folder = join(base, 'append');
  const entries = smallEntries(APPENDS);
  const plainFile = await open(join(base, 'plain'), 'a');
  const plain: number[] = [];
  const append: number[] = [];
  const store = localJournal({ folder, clock: systemClock });
  for (const entry of entries) {
    const write = await measure(async () => {
      await plainFile.write(entryText(entry));
      await plainFile.sync();
    });
    plain.push(write.wallMs);
    const appended = await measure(() => store.append(entry));
    if (!appended.value.ok) throw new Error(JSON.stringify(appended.value.error));
    append.push(appended.wallMs);
  }
  await plainFile.close();
  return [
    { name: 'write and fsync to one open file', what, wallMs: median(plain), note: `median of ${APPENDS}` },
    {
      name: 'append to the folder',
      what,
      wallMs: median(append),
      note: 'create, fsync, link, unlink, fsync of the folder',
    },
  ];
}

function smallEntries(count: number): Entry[] {
  const entries: Entry[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const body: EntryBody =
      seq % 2 === 0 ? { kind: 'wave-acted', wave: seq } : { kind: 'wave-started', wave: seq };
    const draft = { at: seq, actor: { user: 'bench', hostname: 'bench', command: 'bench' }, epoch: 1, body };
    entries.push(sealEntry(entries.at(-1) ?? null, draft, sha256Hex));
  }
  return entries;
}
