/**
 * Entries that wait for a journal, as a folder on this machine, one file an entry.
 *
 * O1  A file has its name only once it is whole and on the disk: written aside, flushed, renamed, the folder flushed.
 * O2  A name begins with a number that is greater than any there: the order of names is the order of `put`. Two processes may take the
 *     same number; the rest of the name keeps their files apart, and neither is older than the other.
 * O3  What cannot be understood is named and stays where it is: it may be the only record of what was done to a host.
 * O4  Each journal has a folder of its own, told by the journal's place, and each entry says which it is for: an environment of the same
 *     name in another configuration, or one whose journal has moved, gets nothing that was not written for it. That something waits
 *     there is said. An environment that was renamed finds what waits under its old name.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Outbox, StoredEntry, WaitingEntry } from '../../ports/outbox.ts';
import { errorCode, folderError } from './folder-error.ts';
import { foldersFor } from './journal-folders.ts';
import { readOwnFile } from './own-file.ts';
import { parseWaiting, waitingText } from './waiting-text.ts';

export interface LocalOutboxOptions {
  /** Of all environments, absolute; what is made in it and on the way to it has mode 0700. */
  readonly root: string;
  readonly environment: string;
  /** Where the journal is, in words that no other journal has. */
  readonly journal: string;
  readonly clock: Clock;
}

const NAME = /^(\d{6,15})-[0-9a-f-]{36}\.json$/;
const TEMPORARY = /^\..+\.tmp$/;

/** No writer needs longer for one entry; what is older belongs to one that was killed, and was never promised to be kept. */
const ABANDONED_AFTER_MS = 3_600_000;

/** Largest file read, bytes: an entry of 500 hosts whose messages are all as long as they may be has some 1 MiB. */
const MAX_BYTES = 16 << 20;

/** What a name can hold. Behind it the order is lost, and nothing else. */
const MOST = 999_999_999_999_999;

export function localOutbox({ root, environment, journal, clock }: LocalOutboxOptions): Outbox {
  const folders = foldersFor(root, environment, journal);
  const folder = folders.own;
  let prepared: Promise<void> | null = null;
  let last = 0;
  let queue: Promise<unknown> = Promise.resolve();

  /** Once a process: makes the folder, tidies up after killed writers. A failure is tried again by the next `put`. */
  function prepare(): Promise<void> {
    prepared ??= (async () => {
      const made = await mkdir(folder, { recursive: true, mode: 0o700 });
      if (made !== undefined)
        for (let path = folder; path.length >= made.length; path = dirname(path))
          await syncFolder(dirname(path));
      await sweep(folder, clock.now());
    })().catch((cause: unknown) => {
      prepared = null;
      throw cause;
    });
    return prepared;
  }

  async function write(entry: WaitingEntry, again = true): Promise<Result<void, string>> {
    try {
      await prepare();
      last = Math.min(MOST, numbersOf(await readdir(folder)).reduce((a, b) => Math.max(a, b), last) + 1);
      const name = `${String(last).padStart(6, '0')}-${randomUUID()}.json`;
      await writeAside(folder, name, waitingText(entry, journal));
      await syncFolder(folder);
      return ok(undefined);
    } catch (cause) {
      // The folder was taken away since it was made.
      prepared = null;
      if (again && errorCode(cause) === 'ENOENT') return write(entry, false);
      return err(folderError('write an entry', folder, cause));
    }
  }

  return {
    put(entry) {
      // One after the other, so that entries of one process are in the order of its calls (O2).
      const written = queue.then(() => write(entry));
      queue = written;
      return written;
    },

    async waiting() {
      const entries: StoredEntry[] = [];
      const unreadable: string[] = [];
      const there = await folders.find();
      if (!there.ok) return err(folderError('list what waits', root, there.error));
      for (const one of there.value.ours) {
        let names: string[];
        try {
          names = await readdir(one);
        } catch (cause) {
          if (errorCode(cause) === 'ENOENT') continue;
          return err(folderError('list what waits', one, cause));
        }
        for (const name of names.filter((each) => !TEMPORARY.test(each)).sort(byNumber)) {
          const read = await readOne(one, name, journal);
          if (read === null) continue;
          if (read.ok) entries.push({ entry: read.value, done: () => remove(one, name) });
          else unreadable.push(`${join(one, name)}: ${read.error}`);
        }
      }
      for (const other of there.value.others) {
        const count = await countIn(other);
        if (count > 0)
          unreadable.push(
            `${other}: ${count} that ${count === 1 ? 'waits' : 'wait'} for another journal of an environment ${environment}; the configuration with that journal sends ${count === 1 ? 'it' : 'them'}`,
          );
      }
      return ok({ entries, unreadable });
    },
  };
}

async function countIn(folder: string): Promise<number> {
  return numbersOf(await readdir(folder).catch(() => [])).length;
}

function numbersOf(names: readonly string[]): number[] {
  return names.flatMap((name) => {
    const match = NAME.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
}

function byNumber(a: string, b: string): number {
  const [one = Number.POSITIVE_INFINITY] = numbersOf([a]);
  const [other = Number.POSITIVE_INFINITY] = numbersOf([b]);
  return one === other ? (a < b ? -1 : 1) : one - other;
}

/** Null: another process has sent it meanwhile. */
async function readOne(
  folder: string,
  name: string,
  journal: string,
): Promise<Result<WaitingEntry, string> | null> {
  if (!NAME.test(name)) return err('it is no file of this folder');
  const read = await readOwnFile(join(folder, name), MAX_BYTES);
  if (read === null) return null;
  return read.ok ? parseWaiting(read.value, journal) : read;
}

async function writeAside(folder: string, name: string, text: string): Promise<void> {
  const temporary = join(folder, `.${name}.tmp`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, join(folder, name));
  } catch (cause) {
    await unlink(temporary).catch(() => undefined);
    throw cause;
  }
}

/** What cannot be removed is sent once more, and counts once. */
async function remove(folder: string, name: string): Promise<void> {
  await unlink(join(folder, name)).catch(() => undefined);
}

async function sweep(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!TEMPORARY.test(name)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && now - found.mtimeMs > ABANDONED_AFTER_MS) await unlink(path).catch(() => undefined);
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
