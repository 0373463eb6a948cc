/**
 * Values in JSON files of a checkout, such as Chef roles.
 *
 * F1  An edit is applied only to the very text that it was planned from: it is planned anew, and must come out the same, digests of both
 *     texts included. Where there is nothing left to change, nothing is, and that is no error.
 * F2  A file is replaced whole or not at all, with its mode. With a branch the file itself is left alone, and the branch moves only from
 *     where it was read.
 */
import { randomUUID } from 'node:crypto';
import { access, chown, constants, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { RoleFileChange } from '../../domain/lifecycle.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { PlannedRoleFileEdit, RoleFileEdit, RoleFiles } from '../../ports/role-files.ts';
import { type BranchFile, commitToBranch, readBranchFile } from './branch.ts';
import { editJson } from './edit-json.ts';
import type { GitEnv } from './git.ts';
import { unifiedDiff } from './unified-diff.ts';

export interface RoleFilesOptions {
  /** Environment that git is run with, cleaned of what names repositories. */
  readonly env: GitEnv;
}

/** Roles are a few KiB. */
const MAX_BYTES = 4 << 20;

/** How often a branch may be moved by others before it is given up. */
const MOST_TRIES = 5;

interface Drawn extends PlannedRoleFileEdit {
  /** The new text. */
  readonly text: string;
  readonly after: string | null;
  /** Null: the file itself is meant. */
  readonly base: BranchFile | null;
}

export function roleFiles({ env }: RoleFilesOptions): RoleFiles {
  return {
    async plan(edit) {
      const drawn = await draw(edit, env);
      if (!drawn.ok) return drawn;
      const { before, diff } = drawn.value;
      return ok({ edit, before, diff });
    },

    async apply(planned) {
      const { edit } = planned;
      for (let attempt = 1; ; attempt++) {
        const drawn = await draw(edit, env);
        if (!drawn.ok) return drawn;
        const { before, after, base, text, diff } = drawn.value;
        const change: RoleFileChange = {
          name: edit.name,
          file: edit.file,
          path: edit.path,
          before,
          after,
          commit: null,
        };
        // Also where somebody else has made it so since: two may stop at once.
        if (diff === '') return ok(change);
        if (diff !== planned.diff)
          return err(
            `${edit.file}: it has been changed by somebody else since the change was shown; nothing is written, run the command again`,
          );
        if (base === null) {
          const written = await replaceFile(edit, text, planned.diff);
          return written.ok ? ok(change) : written;
        }
        const id = await commitToBranch(base, text, edit.message, env);
        if (id.ok) return ok({ ...change, commit: { id: id.value, branch: edit.branch ?? '' } });
        if (id.error.kind === 'failed') return err(`${edit.file}: ${id.error.message}`);
        if (attempt >= MOST_TRIES)
          return err(
            `${edit.file}: the branch ${edit.branch ?? ''} is moved or locked by others all the time; run the command again`,
          );
      }
    },
  };
}

/** What the edit would do to what is there now. */
async function draw(edit: RoleFileEdit, env: GitEnv): Promise<Result<Drawn, string>> {
  const { file, path, value, branch } = edit;
  let base: BranchFile | null = null;
  let bytes: Buffer;
  if (branch === null) {
    const read = await readWhole(file);
    if (!read.ok) return read;
    bytes = read.value;
  } else {
    const read = await readBranchFile(file, branch, env);
    if (!read.ok) return err(`${file}: ${read.error}`);
    base = read.value;
    bytes = base.content;
  }
  const text = textOf(bytes);
  if (text === null) return err(`${file}: it is not UTF-8 text`);
  const bom = text.startsWith('\uFEFF') ? '\uFEFF' : '';
  const edited = editJson(text.slice(bom.length), path, value);
  if (!edited.ok) return err(`${file}: ${edited.error}; nothing is written`);
  const after = bom + edited.value.text;
  return ok({
    edit,
    before: edited.value.before,
    after: value,
    diff: unifiedDiff(base?.path ?? file.replace(/^\//, ''), text, after),
    text: after,
    base,
  });
}

function textOf(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

async function readWhole(file: string): Promise<Result<Buffer, string>> {
  try {
    const found = await stat(file);
    if (!found.isFile()) return err(`${file}: it is not a regular file`);
    if (found.size > MAX_BYTES)
      return err(`${file}: it is ${found.size} bytes long; at most ${MAX_BYTES} are read`);
    return ok(await readFile(file));
  } catch (cause) {
    const code = codeOf(cause);
    return err(`${file}: ${code === 'ENOENT' ? 'it does not exist' : `it cannot be read (${code})`}`);
  }
}

async function replaceFile(edit: RoleFileEdit, text: string, diff: string): Promise<Result<void, string>> {
  let temporary: string | null = null;
  try {
    // Behind a symbolic link is the file that is meant.
    const file = await realpath(edit.file);
    await access(file, constants.W_OK);
    const { mode, uid, gid } = await stat(file);
    temporary = join(dirname(file), `.${basename(file)}.${randomUUID()}.tmp`);
    const handle = await open(temporary, 'wx', mode & 0o777);
    try {
      await handle.writeFile(text);
      await handle.chmod(mode & 0o777);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // Only root may give a file away, and only root would take it from its owner.
    await chown(temporary, uid, gid).catch(() => undefined);
    const now = await draw(edit, {});
    if (!now.ok || now.value.diff !== diff) {
      await rm(temporary, { force: true });
      return err(
        `${edit.file}: it was changed by somebody else at this moment; nothing is written, run the command again`,
      );
    }
    await rename(temporary, file);
    return ok(undefined);
  } catch (cause) {
    if (temporary !== null) await rm(temporary, { force: true }).catch(() => undefined);
    return err(`${edit.file}: it cannot be written (${codeOf(cause)}); nothing is changed`);
  }
}

/** The `code` of a Node file system error; throws what is none, since that is a bug. */
function codeOf(cause: unknown): string {
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code;
  throw cause;
}
