/** What the file system refused, as a sentence for the person who has to mend it at night. */

/** The `code` of a Node file system error; throws what is none, since that is a bug. */
export function errorCode(cause: unknown): string {
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code;
  throw cause;
}

/** `what` says what was being done, such as `write an entry`. */
export function folderError(what: string, folder: string, cause: unknown): string {
  const code = errorCode(cause);
  const [meaning, mend] = MEANINGS[code] ?? ['the file system refused', 'look at the folder'];
  return `outbox ${folder}: cannot ${what}: ${meaning} (${code}); ${mend}`;
}

const FREE = 'free some space, or set ROLLOUT_STATE_DIR to a folder on another disk';
const ELSEWHERE = 'set ROLLOUT_STATE_DIR to a folder that this user may write to';

const MEANINGS: Readonly<Record<string, readonly [string, string]>> = {
  ENOSPC: ['the disk is full', FREE],
  EDQUOT: ['the disk quota is used up', FREE],
  EACCES: ['permission denied', ELSEWHERE],
  EPERM: ['not permitted', ELSEWHERE],
  EROFS: ['the file system is read-only', ELSEWHERE],
  ENOTDIR: ['there is a file where a folder should be', 'move that file away'],
  EEXIST: ['there is a file where a folder should be', 'move that file away'],
  EMFILE: ['too many open files', 'raise the limit (ulimit -n)'],
  ENFILE: ['too many open files', 'raise the limit (ulimit -n)'],
  EIO: ['the disk reports an error', ELSEWHERE],
};
