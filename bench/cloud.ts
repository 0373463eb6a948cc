/**
 * What Google Cloud costs a command, against fakes in processes of their own on the same machine: 10,000 VMs (20 pages) listed,
 * classified and planned (goal: 2 s and 400 MB), and the journal of a 10,000-host rollout read back, checked and folded from a
 * bucket (goal: 2 s). Each measured process is a fresh one and loads Google's library itself, as a command does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/adapters/clock/system-clock.ts';
import { googleBucket } from '../src/adapters/google/storage/bucket.ts';
import { gcsJournal } from '../src/adapters/google/storage/journal.ts';
import { startIdentity } from '../test/fakes/google/identity.ts';
import { journalOfRollout } from './journal-of-rollout.ts';
import { type BenchRow, median } from './row.ts';

const HOSTS = 10_000;
const RUNS = 3;
const BUCKET = 'bench';
const FAKES = join(import.meta.dirname, '..', 'test', 'fakes', 'google');
const CHILD = join(import.meta.dirname, 'cloud-child.ts');

/** What a measured process prints. */
export interface ChildResult {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakMb: number;
  readonly note: string;
}

interface Served {
  readonly said: Readonly<Record<string, string>>;
  end(): void;
}

export async function benchCloud(): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'rollout-bench-'));
  const servers: Served[] = [];
  try {
    await writeFile(join(folder, 'fleet.json'), JSON.stringify({ fleet: { count: HOSTS, gkeOneIn: 10 } }));
    const compute = await serve('compute-main.ts', [join(folder, 'fleet.json'), folder]);
    servers.push(compute);
    const storage = await serve('storage-main.ts', [JSON.stringify({ buckets: [{ name: BUCKET }] })]);
    servers.push(storage);
    const { computeUrl = '', keyFile = '' } = compute.said;
    const { url: storageUrl = '' } = storage.said;
    const entries = await fill(storageUrl, folder);
    const listing = `list, classify and plan ${HOSTS} VMs`;
    const replay = `replay from a bucket, ${HOSTS} hosts`;
    return [
      await row(listing, 'fetch the pages, JSON.parse', ['plain-list', computeUrl, keyFile]),
      await row(listing, 'rollout', ['plan', computeUrl, keyFile], 2_000),
      await row(replay, 'fetch each entry, 32 at once', ['plain-replay', storageUrl, keyFile, BUCKET]),
      await row(replay, 'rollout', ['replay', storageUrl, keyFile, BUCKET], 2_000, `${entries} entries`),
    ];
  } finally {
    for (const server of servers) server.end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes the journal as a rollout would have: entry by entry, with what makes it fast to read. */
async function fill(storage: string, folder: string): Promise<number> {
  const identity = await startIdentity({ folder: join(folder, 'writer') });
  try {
    const credentials = { keyFile: identity.keyFile };
    const place = { kind: 'gcs', bucket: BUCKET, prefix: 'journal', credentials } as const;
    const objects = googleBucket({
      place,
      access: { credentials, endpoints: { storage } },
      clock: systemClock,
    });
    const journal = gcsJournal({ objects, clock: systemClock });
    const entries = journalOfRollout(HOSTS);
    for (const entry of entries) {
      const written = await journal.append(entry);
      if (!written.ok) throw new Error(JSON.stringify(written.error));
    }
    return entries.length;
  } finally {
    await identity.close();
  }
}

async function row(
  what: string,
  name: string,
  args: readonly string[],
  goalMs?: number,
  more = '',
): Promise<BenchRow> {
  const results: ChildResult[] = [];
  for (let run = 0; run < RUNS; run += 1) results.push(await measured(args));
  const peakMb = Math.max(...results.map((one) => one.peakMb));
  const notes = [more, results[0]?.note ?? '', `peak RSS ${peakMb} MB`, `median of ${RUNS}`];
  return {
    name,
    what,
    wallMs: median(results.map((one) => one.wallMs)),
    cpuMs: median(results.map((one) => one.cpuMs)),
    ...(goalMs === undefined ? {} : { goalMs }),
    note: notes.filter((note) => note !== '').join(', '),
  };
}

async function measured(args: readonly string[]): Promise<ChildResult> {
  const child = spawn(process.execPath, [CHILD, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, METADATA_SERVER_DETECTION: 'none' },
  });
  return JSON.parse(await firstLine(child, args[0] ?? '')) as ChildResult;
}

async function serve(script: string, args: readonly string[]): Promise<Served> {
  const child = spawn(process.execPath, [join(FAKES, script), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const said = JSON.parse(await firstLine(child, script)) as Record<string, string>;
  return { said, end: () => child.stdin?.end() };
}

function firstLine(child: ChildProcess, what: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.on('error', reject);
    child.on('close', (code) =>
      reject(new Error(`${what} ended with ${code} and said ${text || 'nothing'}`)),
    );
    child.stdout?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
    });
  });
}
