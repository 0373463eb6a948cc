/**
 * The embedded fleet's folder, which is deleted as a whole: only one that a sandbox has marked as its own ever is.
 * ROLLOUT_STATE_DIR may name any place, and somebody may have a folder called `sandbox` there.
 */
import { lstat, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { err, ok, type Result } from '../../domain/result.ts';

const MARK = '.rollout-sandbox';
const MARK_TEXT = 'rollout deletes this folder with everything in it: rollout sandbox down\n';

/** Makes the folder with mode 0700 if need be and marks it; refused where it is somebody else's. May be repeated. */
export async function claimFolder(folder: string): Promise<Result<void, string>> {
  const free = await isOurs(folder);
  if (!free.ok) return free;
  return tried(folder, async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, MARK), MARK_TEXT, { mode: 0o600 });
  });
}

/** Deletes the folder with everything in it; refused where it is somebody else's. One that is not there is a success. */
export async function deleteFolder(folder: string): Promise<Result<void, string>> {
  const free = await isOurs(folder);
  if (!free.ok) return free;
  return tried(folder, () => rm(folder, { recursive: true, force: true }));
}

/** Marked, empty, or not there. */
async function isOurs(folder: string): Promise<Result<void, string>> {
  const found = await lstat(folder).catch(() => null);
  if (found === null) return ok(undefined);
  const names = found.isDirectory() ? await readdir(folder).catch(() => ['?']) : ['?'];
  if (names.length === 0 || names.includes(MARK)) return ok(undefined);
  return err(
    `${folder} was not made by a sandbox (it has no ${MARK}), so it is neither used nor deleted; ROLLOUT_STATE_DIR names another place`,
  );
}

async function tried(folder: string, work: () => Promise<unknown>): Promise<Result<void, string>> {
  try {
    await work();
    return ok(undefined);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return err(`the sandbox needs the folder ${folder}: ${why}; ROLLOUT_STATE_DIR names another place`);
  }
}
