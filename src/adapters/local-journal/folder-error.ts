/** What the file system refused, in words for the person who has to mend it. */
import type { JournalError } from '../../ports/journal.ts';

/** Codes after which trying again, or again later, may help without anybody changing permissions or paths. */
const PASSING = new Set([
  'ENOSPC',
  'EDQUOT',
  'EMFILE',
  'ENFILE',
  'EAGAIN',
  'EBUSY',
  'EINTR',
  'EIO',
  'ESTALE',
  'ETIMEDOUT',
]);

/** The `code` of a Node file system error; throws what is none, since that is a bug. */
export function errorCode(cause: unknown): string {
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code;
  throw cause;
}

/** `what` says what was being done, such as `write entry 12`. */
export function folderError(what: string, folder: string, cause: unknown): JournalError {
  const code = errorCode(cause);
  return {
    kind: 'unavailable',
    message: `journal ${folder}: cannot ${what}: ${meaning(code)} (${code}); ${remedy(code, folder)}`,
    retryable: PASSING.has(code),
  };
}

function meaning(code: string): string {
  switch (code) {
    case 'ENOSPC':
      return 'the disk is full';
    case 'EDQUOT':
      return 'the disk quota is used up';
    case 'EACCES':
      return 'permission denied';
    case 'EROFS':
      return 'the file system is read-only';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'there is a file where a folder should be';
    case 'EMFILE':
    case 'ENFILE':
      return 'too many open files';
    case 'EPERM':
    case 'ENOTSUP':
    case 'EOPNOTSUPP':
    case 'ENOSYS':
      return 'not permitted, or the file system has no hard links';
    case 'EIO':
      return 'the disk reports an error';
    default:
      return 'the file system refused';
  }
}

function remedy(code: string, folder: string): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'free some space and run the command again';
    case 'EACCES':
      return `give this user read and write access, see: ls -ld ${folder}`;
    case 'EROFS':
    case 'EPERM':
    case 'ENOTSUP':
    case 'EOPNOTSUPP':
    case 'ENOSYS':
      return 'set journal.path to a folder on a local, writable file system';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'set journal.path to a folder, or move that file away';
    case 'EMFILE':
    case 'ENFILE':
      return 'raise the limit of open files (ulimit -n) and run the command again';
    default:
      return 'look at the folder and run the command again';
  }
}
