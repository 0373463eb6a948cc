/**
 * SFTP over a host's folder: as much of version 3 (draft-ietf-secsh-filexfer-02) as a delivery needs. Paths are the
 * host's own; none leads out of its folder.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import ssh2, { type Attributes, type SFTPWrapper } from 'ssh2';

const { STATUS_CODE, OPEN_MODE } = ssh2.utils.sftp;

/** Home folder of the one user. */
export const HOME = '/home/ops';

export function serveSftp(accept: () => SFTPWrapper, root: string): void {
  const sftp = accept();
  const handles = new Map<number, FileHandle>();
  let nextHandle = 1;
  const inFolder = (path: string): string =>
    join(root, normalize(path.startsWith('/') ? path : `${HOME}/${path}`));
  const answer = (id: number, work: Promise<unknown>): void => {
    work.then(
      () => sftp.status(id, STATUS_CODE.OK),
      (cause: unknown) => sftp.status(id, statusOf(cause)),
    );
  };
  sftp.on('REALPATH', (id, path) => {
    const absolute = normalize(path.startsWith('/') ? path : `${HOME}/${path}`).replace(/(?<=.)\/$/u, '');
    sftp.name(id, [{ filename: absolute, longname: absolute, attrs: EMPTY }]);
  });
  const stat = (id: number, path: string): void => {
    lstat(inFolder(path)).then(
      (found) =>
        sftp.attrs(id, { mode: found.mode, uid: 1000, gid: 1000, size: found.size, atime: 0, mtime: 0 }),
      (cause: unknown) => sftp.status(id, statusOf(cause)),
    );
  };
  sftp.on('STAT', stat);
  sftp.on('LSTAT', stat);
  sftp.on('OPEN', (id, path, flags) => {
    open(inFolder(path), openFlags(flags), 0o600).then(
      (file) => {
        const handle = nextHandle;
        nextHandle += 1;
        handles.set(handle, file);
        const name = Buffer.alloc(4);
        name.writeUInt32BE(handle);
        sftp.handle(id, name);
      },
      (cause: unknown) => sftp.status(id, statusOf(cause)),
    );
  });
  const opened = (handle: Buffer): FileHandle | undefined => handles.get(handle.readUInt32BE(0));
  sftp.on('WRITE', (id, handle, offset, bytes) => {
    const file = opened(handle);
    if (file === undefined) sftp.status(id, STATUS_CODE.FAILURE);
    else answer(id, file.write(bytes, 0, bytes.length, offset));
  });
  sftp.on('FSETSTAT', (id) => sftp.status(id, STATUS_CODE.OK));
  sftp.on('SETSTAT', (id) => sftp.status(id, STATUS_CODE.OK));
  sftp.on('FSTAT', (id, handle) => {
    const file = opened(handle);
    if (file === undefined) return sftp.status(id, STATUS_CODE.FAILURE);
    return void file
      .stat()
      .then((found) =>
        sftp.attrs(id, { mode: found.mode, uid: 1000, gid: 1000, size: found.size, atime: 0, mtime: 0 }),
      );
  });
  sftp.on('CLOSE', (id, handle) => {
    const file = opened(handle);
    handles.delete(handle.readUInt32BE(0));
    answer(id, file?.close() ?? Promise.resolve());
  });
  sftp.on('MKDIR', (id, path) => answer(id, mkdir(inFolder(path), { mode: 0o700 })));
  sftp.on('REMOVE', (id, path) => answer(id, rm(inFolder(path))));
  sftp.on('RENAME', (id, from, to) => answer(id, rename(inFolder(from), inFolder(to))));
  sftp.on('EXTENDED', (id) => sftp.status(id, STATUS_CODE.OP_UNSUPPORTED));
  sftp.on('close', () => {
    for (const file of handles.values()) file.close().catch(() => {});
  });
}

const EMPTY: Attributes = { mode: 0, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 };

function openFlags(flags: number): number {
  let mode = (flags & OPEN_MODE.WRITE) !== 0 ? constants.O_WRONLY : constants.O_RDONLY;
  if ((flags & OPEN_MODE.CREAT) !== 0) mode |= constants.O_CREAT;
  if ((flags & OPEN_MODE.TRUNC) !== 0) mode |= constants.O_TRUNC;
  if ((flags & OPEN_MODE.EXCL) !== 0) mode |= constants.O_EXCL;
  return mode;
}

function statusOf(cause: unknown): number {
  const code = cause instanceof Error && 'code' in cause ? cause.code : '';
  if (code === 'ENOENT') return STATUS_CODE.NO_SUCH_FILE;
  return code === 'EACCES' || code === 'EPERM' ? STATUS_CODE.PERMISSION_DENIED : STATUS_CODE.FAILURE;
}
