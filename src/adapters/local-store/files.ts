/** The few file operations of the store: written aside and synced, digested, made durable. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { err, ok, type Result } from '../../domain/result.ts';
import type { StoreError } from '../../ports/artifact-store.ts';
import { codeOf } from './failure.ts';

interface Digest {
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

interface Incoming {
  /** The file that `write` makes. */
  readonly path: string;
  /** Writes, syncs and digests all of it. The source's own failure is a StoreError, the disk's is thrown. */
  write(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Result<Digest, StoreError>>;
}

/** An unfinished write that has not moved for this long (ms) belongs to a writer that died: files arrive in seconds. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;

/** Not writable for others, nor for oneself: what is stored does not change. */
const FILE_MODE = 0o444;
const FOLDER_MODE = 0o755;

/** Gives `work` a file of its own to write aside, removes it afterwards whatever happened, and leftovers of the dead with it. */
export async function withIncoming<T>(root: string, work: (incoming: Incoming) => Promise<T>): Promise<T> {
  const area = join(root, '.incoming');
  await makeFolder(area);
  const folder = await mkdtemp(join(area, 'write-'));
  try {
    await removeAbandoned(area, folder);
    const path = join(folder, 'file');
    return await work({ path, write: (source) => writeFile(path, source) });
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function writeFile(
  path: string,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Result<Digest, StoreError>> {
  const hash = createHash('sha256');
  let size = 0;
  const file = await open(path, 'wx', FILE_MODE);
  const parts = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  try {
    for (;;) {
      let part: IteratorResult<Uint8Array>;
      try {
        part = await parts.next();
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        return err({ kind: 'unavailable', message: `the package cannot be read: ${why}`, retryable: true });
      }
      if (part.done === true) break;
      hash.update(part.value);
      size += part.value.length;
      await file.writeFile(part.value);
    }
    await file.sync();
  } finally {
    await file.close();
    // Lets go of the source when the disk failed in the middle.
    await parts.return?.();
  }
  return ok({ sha256: hash.digest('hex'), size });
}

/** Age is taken from the file system itself, against a folder made just now: a share's clock may differ from ours. */
async function removeAbandoned(area: string, fresh: string): Promise<void> {
  const now = (await stat(fresh)).mtimeMs;
  for (const name of await readdir(area)) {
    const folder = join(area, name);
    try {
      const touched = await Promise.all([stat(folder), stat(join(folder, 'file')).catch(() => null)]);
      const newest = Math.max(...touched.map((found) => found?.mtimeMs ?? 0));
      if (now - newest > ABANDONED_AFTER_MS) await rm(folder, { recursive: true, force: true });
    } catch (cause) {
      // Somebody else's leftover that we may not remove, or that went meanwhile, harms nobody.
      if (codeOf(cause) === undefined) throw cause;
    }
  }
}

/** null when there is no such file. */
export async function digestFile(path: string): Promise<Digest | null> {
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const part of createReadStream(path) as AsyncIterable<Uint8Array>) {
      hash.update(part);
      size += part.length;
    }
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return null;
    throw cause;
  }
  return { sha256: hash.digest('hex'), size };
}

/** Makes a folder and all that is missing above it, durably. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
