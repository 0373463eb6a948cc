/** A file that this user, or root, has written, read whole: what anybody else laid there is not believed. */
import { constants, open } from 'node:fs/promises';
import { err, ok, type Result } from '../../domain/result.ts';
import { errorCode } from './folder-error.ts';

/**
 * Null: it is not there. The error ends a sentence about the file. Root believes every owner: under `sudo` it reads what the user wrote,
 * and in containers owners mean little.
 */
export async function readOwnFile(path: string, maxBytes: number): Promise<Result<string, string> | null> {
  try {
    // Neither a link that leads elsewhere nor a pipe that nobody writes to.
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size, uid } = await handle.stat().then((found) => {
        if (found.isFile()) return found;
        throw Object.assign(new Error('no file'), { code: found.isDirectory() ? 'EISDIR' : 'no file' });
      });
      const user = process.getuid?.() ?? 0;
      if (user !== 0 && uid !== 0 && uid !== user)
        return err(`it belongs to the user ${uid}, who is not the one that runs this`);
      if (size > maxBytes) return err(`it is ${size} bytes long; at most ${maxBytes} are read`);
      return ok(await handle.readFile('utf8'));
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const code = errorCode(cause);
    if (code === 'ENOENT') return null;
    return err(`it cannot be read (${code})${code === 'EACCES' ? ELSES : ''}`);
  }
}

const ELSES = ': another user wrote it, perhaps under sudo; any command of that user sends it';
