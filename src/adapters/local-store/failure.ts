/** What the file system throws, as a StoreError. */
import type { StoreError } from '../../ports/artifact-store.ts';

/** Error code of a system call, such as `ENOENT`; undefined for any other error. */
export function codeOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('syscall' in cause)) return undefined;
  const { code } = cause as NodeJS.ErrnoException;
  return code;
}

const ADVICE: Readonly<Record<string, { readonly why: string; readonly retryable: boolean }>> = {
  ENOSPC: { why: 'the disk is full; make room and do it again, nothing was published', retryable: true },
  EDQUOT: {
    why: 'the disk quota is used up; make room and do it again, nothing was published',
    retryable: true,
  },
  EACCES: { why: 'permission denied; check who owns the folder', retryable: false },
  EPERM: {
    why: 'not permitted; the folder must be yours, on a file system that has hard links',
    retryable: false,
  },
  EROFS: { why: 'it is mounted read-only', retryable: false },
  ENOTDIR: { why: 'a part of the path is no folder', retryable: false },
  EISDIR: { why: 'a folder stands where a file must be', retryable: false },
  ENOTSUP: { why: 'its file system has no hard links; use another folder', retryable: false },
  ENOENT: { why: 'something in it vanished meanwhile; do it again', retryable: true },
};

export function storeFailure(root: string, verb: string, cause: unknown): StoreError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const advice = ADVICE[codeOf(cause) ?? ''];
  const why = advice === undefined ? message : `${advice.why} (${message})`;
  return {
    kind: 'unavailable',
    message: `cannot ${verb} the artifact store ${root}: ${why}`,
    retryable: advice?.retryable ?? true,
  };
}
