/**
 * Packs: 64 entries in one object, so that a long journal is read in few requests. `journal-packs/000000000001-000000000064.ndjson.gz`
 * has a line an entry: the entry, and the generation of the entry's own object at the time of packing. Created only, never replaced.
 *
 * A pack is a cache and is never believed by itself:
 * K1  A line counts only while the entry's own object still is that generation and names the same hash in its metadata. Whoever alters
 *     an entry makes a new generation, so the altered entry itself is read, and its chain shows it: a pack cannot hide it.
 * K2  An altered line under a true generation and hash is an entry whose hash is not that of its content: the chain shows that too.
 *     The entry's own object is then whole, and taking the pack away mends the journal.
 * K3  A pack that is missing, unreadable or does not fit costs time only: the entries' own objects are read.
 * K4  The listing of the entries' own objects says which entries there are, never a pack.
 */
import { promisify } from 'node:util';
import { constants, gunzip, gzip } from 'node:zlib';
import { isRecord } from '../../../domain/is-record.ts';
import type { Entry } from '../../../domain/journal.ts';
import { asEntry, entryText } from '../../../domain/journal-text.ts';
import { digits } from './journal-entry.ts';
import type { ObjectFacts, Objects } from './objects.ts';

/** Entries in a pack: a rollout over 10,000 hosts has some 1,100 entries, which are 18 packs and at most 63 single reads. */
export const PACK_SIZE = 64;

/** Text of a pack: what `Objects.read` would give uncompressed; also the bound of what is inflated. */
const MOST_BYTES = 64 * 1024 * 1024;

/** A pack is written beside the work; it must not hold up the end of a command for long. */
const WRITE_TIMEOUT_MS = 10_000;

const squeeze = promisify(gzip);
const inflate = promisify(gunzip);

export interface PackedEntry {
  readonly seq: number;
  /** Of the entry's own object. */
  readonly generation: string;
  readonly entry: Entry;
}

/** By first number. */
export type PackListing = ReadonlyMap<number, ObjectFacts>;

const PACK_PREFIX = 'journal-packs/';

/** First number of the pack that an entry belongs to. */
export function packStart(seq: number): number {
  return seq - ((seq - 1) % PACK_SIZE);
}

function packName(first: number): string {
  return `${PACK_PREFIX}${digits(first)}-${digits(first + PACK_SIZE - 1)}.ndjson.gz`;
}

/** Which of the packs from `firsts` on there are; null: nobody can say. */
export async function listPacks(objects: Objects, firsts: readonly number[]): Promise<PackListing | null> {
  const [lowest] = firsts;
  if (lowest === undefined) return new Map();
  const listed = await objects.list({ prefix: PACK_PREFIX, startAt: packName(lowest) });
  if (!listed.ok) return null;
  const byName = new Map(listed.value.map((facts) => [facts.name, facts]));
  const found = new Map<number, ObjectFacts>();
  for (const first of firsts) {
    const facts = byName.get(packName(first));
    if (facts !== undefined) found.set(first, facts);
  }
  return found;
}

/** Never fails: what cannot be read is empty (K3). */
export async function readPack(
  objects: Objects,
  first: number,
  known: ObjectFacts,
): Promise<readonly PackedEntry[]> {
  const read = await objects.read(packName(first), { known });
  if (!read.ok) return [];
  try {
    const text = await inflate(read.value.bytes, { maxOutputLength: MOST_BYTES });
    const lines = text.toString('utf8').trimEnd().split('\n');
    return lines.map((line, index) => parseLine(line, first + index));
  } catch {
    return [];
  }
}

/** Throws where the line is not one. */
function parseLine(line: string, seq: number): PackedEntry {
  const value: unknown = JSON.parse(line);
  if (!isRecord(value) || typeof value['generation'] !== 'string') throw new Error('not a line of a pack');
  const entry = asEntry(value['entry'], seq);
  if (!entry.ok) throw new Error(entry.error);
  return { seq, generation: value['generation'], entry: entry.value };
}

/** Writes the pack of these entries, which begin at a pack's first number. False: it was not written, for whatever reason. */
export async function writePack(objects: Objects, entries: readonly PackedEntry[]): Promise<boolean> {
  const [first] = entries;
  if (first === undefined || entries.length !== PACK_SIZE) return false;
  const lines = entries.map(
    ({ generation, entry }) =>
      `{"entry":${entryText(entry).trimEnd()},"generation":${JSON.stringify(generation)}}\n`,
  );
  if (lines.reduce((sum, line) => sum + line.length, 0) > MOST_BYTES / 2) return false;
  const bytes = await squeeze(lines.join(''), { level: constants.Z_BEST_SPEED });
  const created = await objects.create(packName(first.seq), bytes, {
    contentType: 'application/gzip',
    timeoutMs: WRITE_TIMEOUT_MS,
  });
  return created.ok || created.error.kind === 'precondition';
}
