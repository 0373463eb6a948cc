/** What delivery asks of a host's files over SFTP, each question with an end. */
import ssh2, { type SFTPWrapper } from 'ssh2';

/** One question in ssh2's callback style. */
export type Call<T> = (done: (error: Error | null | undefined, value?: T) => void) => void;
export type Wait = <T>(call: Call<T>) => Promise<T>;

export interface RemoteFiles {
  home(): Promise<string>;
  /** Null when there is no such file, or it cannot be seen. */
  size(path: string): Promise<number | null>;
  /** Null when the server cannot say. */
  freeBytes(path: string): Promise<number | null>;
  makeFolder(path: string): Promise<void>;
  open(path: string): Promise<Buffer>;
  write(handle: Buffer, bytes: Buffer, position: number): Promise<void>;
  truncate(handle: Buffer, size: number): Promise<void>;
  close(handle: Buffer): Promise<void>;
  remove(path: string): Promise<void>;
  /** Atomic where the server has posix-rename. */
  replace(from: string, to: string): Promise<void>;
}

export function filesOver(sftp: SFTPWrapper, wait: Wait): RemoteFiles {
  const { WRITE, CREAT } = ssh2.utils.sftp.OPEN_MODE;
  const named = async <T>(what: string, promise: Promise<T>): Promise<T> => {
    try {
      return await promise;
    } catch (cause) {
      throw new Error(`${what}: ${(cause as Error).message}`, { cause });
    }
  };
  const size = async (path: string): Promise<number | null> => {
    const found = await wait<{ size: number }>((done) => sftp.stat(path, done)).catch((cause: Error) => {
      if (typeof (cause as { code?: unknown }).code === 'number') return null;
      throw cause;
    });
    return found?.size ?? null;
  };
  sftp.on('error', () => {});
  return {
    home: () =>
      named(
        'asking for the home folder',
        wait<string>((done) => sftp.realpath('.', done)),
      ),
    size,
    async freeBytes(path) {
      try {
        type FileSystem = { f_bavail: number; f_frsize: number };
        const system = await wait<FileSystem>((done) => sftp.ext_openssh_statvfs(path, done));
        return system.f_bavail * system.f_frsize;
      } catch {
        return null;
      }
    },
    async makeFolder(path) {
      if ((await size(path)) !== null) return;
      const made = wait<void>((done) => sftp.mkdir(path, { mode: 0o700 }, done));
      await named(`creating ${path}`, made).catch(async (cause: unknown) => {
        // Another delivery may have made it since.
        if ((await size(path)) === null) throw cause;
      });
    },
    open: (path) =>
      named(
        `opening ${path}`,
        wait<Buffer>((done) => sftp.open(path, WRITE | CREAT, 0o600, done)),
      ),
    write: (handle, bytes, position) =>
      named(
        `writing at ${position}`,
        wait<void>((done) => sftp.write(handle, bytes, 0, bytes.length, position, done)),
      ),
    truncate: (handle, length) => wait<void>((done) => sftp.fsetstat(handle, { size: length }, done)),
    close: (handle) =>
      named(
        'closing the file',
        wait<void>((done) => sftp.close(handle, done)),
      ),
    remove: (path) => wait<void>((done) => sftp.unlink(path, done)),
    async replace(from, to) {
      const whole = wait<void>((done) => sftp.ext_openssh_rename(from, to, done));
      const failed = await whole.then(
        () => null,
        (cause: Error) => cause,
      );
      if (failed === null) return;
      // ssh2 throws without a status code when the server lacks the extension; SFTP's own rename refuses an existing name.
      if (typeof (failed as { code?: unknown }).code === 'number')
        throw new Error(`renaming to ${to}: ${failed.message}`, { cause: failed });
      await wait<void>((done) => sftp.unlink(to, done)).catch(() => {});
      await named(
        `renaming to ${to}`,
        wait<void>((done) => sftp.rename(from, to, done)),
      );
    },
  };
}
