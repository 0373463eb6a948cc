/** A `.tar.gz` out of texts, readable by its owner alone: it holds names of hosts and lines of their logs. */
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { err, ok, type Result } from '../../domain/result.ts';

export interface ArchivedText {
  /** Path in the archive, such as `report/journal.ndjson`. */
  readonly name: string;
  readonly text: string;
}

/** Never over a file that is there; nothing is left behind where it fails. The error is a sentence. `at`: ms since the epoch. */
export async function writeTarGz(
  path: string,
  texts: readonly ArchivedText[],
  at: number,
): Promise<Result<void, string>> {
  const tar = pack();
  for (const { name, text } of texts) tar.entry({ name, mode: 0o600, mtime: new Date(at) }, text);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return writeOwn(path, await promisify(gzip)(Buffer.concat(chunks)));
}

/** The same for one file. */
export async function writeOwn(path: string, content: Uint8Array | string): Promise<Result<void, string>> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    return ok(undefined);
  } catch (error) {
    return err(`cannot write ${path}: ${whyNot(path, error)}`);
  }
}

function whyNot(path: string, error: unknown): string {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  const folder = dirname(path);
  switch (code) {
    case 'ENOENT':
      return `the folder ${folder} does not exist`;
    case 'ENOTDIR':
      return `${folder} is no folder`;
    case 'EEXIST':
      return 'it is there already, and is not written over';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `this user may not write in ${folder} (${code})`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `no space is left there (${code})`;
    default:
      return code;
  }
}
