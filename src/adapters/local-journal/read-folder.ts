/** Reads a journal's folder: which entries there are, whole, in order, without gaps. Changes nothing. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Entry } from '../../domain/journal.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { JournalError } from '../../ports/journal.ts';
import { type EntryFile, type ParsedEntry, parseEntry, parseName } from './entry-file.ts';
import { errorCode, folderError } from './folder-error.ts';

/** Open files at once: enough to keep libuv's four threads and a network disk busy, far below any limit of open files. */
const READS_AT_ONCE = 32;

/** Entry numbers in order, each with its files in the order of their slots. Empty when there is no folder yet. */
export type Listing = ReadonlyMap<number, readonly EntryFile[]>;

export async function listEntries(folder: string): Promise<Result<Listing, JournalError>> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return ok(new Map());
    return err(folderError('list entries', folder, cause));
  }
  const files = names.map(parseName).filter((file) => file !== null);
  files.sort((a, b) => a.seq - b.seq || a.slot - b.slot);
  const bySeq = new Map<number, EntryFile[]>();
  for (const file of files) {
    const same = bySeq.get(file.seq);
    if (same) same.push(file);
    else bySeq.set(file.seq, [file]);
  }
  return ok(bySeq);
}

/** What the files of one number hold together. */
export async function readSeq(
  folder: string,
  seq: number,
  files: readonly EntryFile[],
): Promise<Result<ParsedEntry, JournalError>> {
  let whole: ParsedEntry | null = null;
  for (const file of files) {
    let text: string;
    try {
      text = await readFile(join(folder, file.name), 'utf8');
    } catch (cause) {
      return err(readError(folder, file, cause));
    }
    const parsed = parseEntry(text, seq);
    if (parsed.kind === 'torn') continue;
    if (whole) return ok({ kind: 'corrupt', message: `there are two of it, the second in ${file.name}` });
    whole = parsed;
  }
  return ok(whole ?? { kind: 'torn' });
}

/** Entries behind `after`. A number that is missing, and a torn entry that is not the last, make the journal corrupt. */
export async function readEntries(
  folder: string,
  after: number,
): Promise<Result<readonly Entry[], JournalError>> {
  const listed = await listEntries(folder);
  if (!listed.ok) return listed;
  const listing = listed.value;
  const last = Math.max(0, ...tail(listing));
  for (let seq = 1; seq <= Math.max(last, after); seq++) {
    if (!listing.has(seq))
      return err(corrupt(folder, seq, `it is missing, though entry ${Math.max(last, after)} was written`));
  }
  const parsed: ParsedEntry[] = [];
  for (let from = after + 1; from <= last; from += READS_AT_ONCE) {
    const batch = Array.from({ length: Math.min(READS_AT_ONCE, last - from + 1) }, (_, i) => from + i);
    const read = await Promise.all(batch.map((seq) => readSeq(folder, seq, listing.get(seq) ?? [])));
    for (const one of read) {
      if (!one.ok) return one;
      parsed.push(one.value);
    }
  }
  const entries: Entry[] = [];
  for (const [index, one] of parsed.entries()) {
    const seq = after + 1 + index;
    if (one.kind === 'corrupt') return err(corrupt(folder, seq, one.message));
    if (one.kind === 'entry') entries.push(one.entry);
    else if (seq !== last) return err(corrupt(folder, seq, `it is torn, though entry ${last} follows`));
  }
  return ok(entries);
}

export function corrupt(folder: string, seq: number, message: string): JournalError {
  return {
    kind: 'corrupt',
    seq,
    message: `journal ${folder}: entry ${seq} cannot be used: ${message}. Nothing is done on a journal that is not whole; restore the folder from a copy`,
  };
}

function tail(listing: Listing): readonly number[] {
  return [...listing.keys()].slice(-1);
}

function readError(folder: string, file: EntryFile, cause: unknown): JournalError {
  const code = errorCode(cause);
  if (code === 'ENOENT') return corrupt(folder, file.seq, 'its file vanished while it was read');
  if (code === 'EISDIR') return corrupt(folder, file.seq, `${file.name} is a folder`);
  return folderError(`read ${file.name}`, folder, cause);
}
