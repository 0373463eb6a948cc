/**
 * The journal as a folder, one file an entry.
 *
 * L1  An entry's name appears only with the whole entry behind it, on the disk: written aside, flushed, then linked.
 *     link(2) fails where the name exists, so of two writers of one number exactly one succeeds (J1).
 * L2  A success is reported only after the folder itself was flushed: a power cut after it does not lose the entry.
 * L3  Whoever was told `unavailable` may append the very same entry again; if it was there after all, that is a success.
 * L4  Nothing that stands under an entry's name is ever changed, moved or removed.
 */
import { link, mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canonicalJson, type Entry } from '../../domain/journal.ts';
import { entryText } from '../../domain/journal-text.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { JournalError, JournalStore } from '../../ports/journal.ts';
import { entryFile } from './entry-file.ts';
import { errorCode, folderError } from './folder-error.ts';
import { corrupt, listEntries, readEntries, readSeq } from './read-folder.ts';
import { removeQuietly, sweepTemporary, syncFolder, writeTemporary } from './temporary.ts';

/** Files that may stand under one number, the torn ones before the whole one. More is not an accident. */
const MOST_SLOTS = 8;

export interface LocalJournalOptions {
  /** Absolute; made with mode 0700 by the first append. Files of other names in it are left alone. */
  readonly folder: string;
  readonly clock: Clock;
}

export function localJournal({ folder, clock }: LocalJournalOptions): JournalStore {
  let prepared: Promise<void> | null = null;

  /** Once a process: makes the folder, tidies up after killed writers. A failure is tried again by the next append. */
  function prepare(): Promise<void> {
    prepared ??= (async () => {
      const made = await mkdir(folder, { recursive: true, mode: 0o700 });
      if (made !== undefined) {
        for (let path = folder; path.length >= made.length; path = dirname(path))
          await syncFolder(dirname(path));
      }
      await sweepTemporary(folder, clock.now());
    })().catch((cause: unknown) => {
      prepared = null;
      throw cause;
    });
    return prepared;
  }

  return {
    read: (after) => readEntries(folder, after),

    async append(entry) {
      const what = `write entry ${entry.seq}`;
      let temporary: string | null = null;
      try {
        await prepare();
        if (entry.seq > 1 && !(await hasEntry(folder, entry.seq - 1))) {
          return err(corrupt(folder, entry.seq - 1, `it is missing, and entry ${entry.seq} is to follow it`));
        }
        temporary = await writeTemporary(folder, String(entry.seq), entryText(entry));
        const linked = await linkEntry(folder, entry, temporary);
        if (linked.ok) await syncFolder(folder);
        return linked;
      } catch (cause) {
        return err(folderError(what, folder, cause));
      } finally {
        if (temporary !== null) await removeQuietly(temporary);
      }
    },
  };
}

/** A cheap look: slot 0 is there unless its torn file was taken away by hand. */
async function hasEntry(folder: string, seq: number): Promise<boolean> {
  try {
    await stat(join(folder, entryFile(seq, 0).name));
    return true;
  } catch (cause) {
    if (errorCode(cause) !== 'ENOENT') throw cause;
  }
  const listing = await listEntries(folder);
  return listing.ok && listing.value.has(seq);
}

/** Gives the written file the entry's name, or says whose it is. Throws what link(2) refuses for other reasons. */
async function linkEntry(
  folder: string,
  entry: Entry,
  temporary: string,
): Promise<Result<void, JournalError>> {
  let slot = 0;
  while (slot < MOST_SLOTS) {
    try {
      await link(temporary, join(folder, entryFile(entry.seq, slot).name));
      return ok(undefined);
    } catch (cause) {
      if (errorCode(cause) !== 'EEXIST') throw cause;
    }
    const listed = await listEntries(folder);
    if (!listed.ok) return listed;
    const files = listed.value.get(entry.seq) ?? [];
    const there = await readSeq(folder, entry.seq, files);
    if (!there.ok) return there;
    if (there.value.kind === 'corrupt') return err(corrupt(folder, entry.seq, there.value.message));
    if (there.value.kind === 'entry') {
      // Also on NFS, where a link that was made may be reported as EEXIST when its first answer was lost (L3).
      const same = canonicalJson(there.value.entry) === canonicalJson(entry);
      return same ? ok(undefined) : err({ kind: 'conflict', seq: entry.seq });
    }
    if (listed.value.has(entry.seq + 1)) {
      return err(corrupt(folder, entry.seq, `it is torn, though entry ${entry.seq + 1} follows`));
    }
    slot = (files.at(-1)?.slot ?? slot) + 1;
  }
  return err(corrupt(folder, entry.seq, `${MOST_SLOTS} torn files stand under its number`));
}
