/** Files that are written whole and made durable before any reader can see them, and what killed writers left of such. */
import { type FileHandle, open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** No writer needs longer for one entry; what is older belongs to one that was killed. */
const ABANDONED_AFTER_MS = 3_600_000;

const SUFFIX = '.tmp';

/**
 * Writes `text` to a new file in `folder`, readable by its owner only, flushed to the disk; gives its path. Throws Node's
 * error, with nothing left behind.
 */
export async function writeTemporary(folder: string, stem: string, text: string): Promise<string> {
  const { path, handle } = await create(folder, stem);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } catch (cause) {
    await handle.close();
    await removeQuietly(path);
    throw cause;
  }
  await handle.close();
  return path;
}

/** Two writers may want the same name, and on a shared folder even have the same pid: the next free number is taken. */
async function create(folder: string, stem: string): Promise<{ path: string; handle: FileHandle }> {
  for (let n = 0; ; n++) {
    const path = join(folder, `.${stem}.${process.pid}.${n}${SUFFIX}`);
    try {
      return { path, handle: await open(path, 'wx', 0o600) };
    } catch (cause) {
      const taken = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
      if (!taken || n >= 1_000) throw cause;
    }
  }
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

/** Removes what writers left that were killed more than an hour before `now`. Never throws: it is only tidying. */
export async function sweepTemporary(folder: string, now: number): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (!name.startsWith('.') || !name.endsWith(SUFFIX)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => null);
    if (found && now - found.mtimeMs > ABANDONED_AFTER_MS) await removeQuietly(path);
  }
}

export async function removeQuietly(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}
