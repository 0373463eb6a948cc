/**
 * Brings packages to a host over SFTP, on the connection that will run the program.
 *
 * DL1  A package appears under its final name whole or not at all. DL2  Bytes are hashed while they are sent: what the store
 * gives is compared with what was staged, and what does not match is removed. (The host hashes again what it received.)
 * DL3  The part file is written over from its start and never truncated first, so that two who deliver the same package at
 * once write the same bytes to the same places. DL4  Every wait ends with the connection, the time, or the caller's signal.
 */
import { createHash } from 'node:crypto';
import ssh2, { type SFTPWrapper } from 'ssh2';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PackageSource } from '../../ports/remote.ts';
import type { SshConnection } from './connection.ts';
import { after, watchIdle } from './timing.ts';

export interface DeliveryOptions {
  readonly connection: SshConnection;
  readonly label: string;
  readonly packages: readonly PackageSource[];
  readonly clock: Clock;
  /** For all packages together, ms. */
  readonly timeoutMs: number;
  /** Without any answer from the host, ms. */
  readonly idleTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Where the host programs keep packages (0755), so that what is there need not be sent. */
const KEPT = '/var/lib/rollout/packages';
/** SFTP's guaranteed size of a write, bytes. */
const CHUNK = 32 * 1024;
/** Writes on their way at once: 2 MiB, enough for 10 MB/s at 200 ms. */
const IN_FLIGHT = 64;

type Bytes = Extract<PackageSource, { kind: 'bytes' }>;

/**
 * Sends what the host does not keep yet. The value is the folder it was sent to, absolute, or null when nothing had to be
 * sent; the error is a sentence. May be repeated.
 */
export async function deliver(options: DeliveryOptions): Promise<Result<string | null, string>> {
  const { connection, label, clock, signal } = options;
  const wanted: Bytes[] = [];
  for (const source of options.packages) {
    if (source.kind === 'url') {
      return err(
        `${label}: a package that the host fetches by URL comes with the gcs store; use a local store`,
      );
    }
    wanted.push(source);
  }
  const stop = Promise.withResolvers<never>();
  stop.promise.catch(() => {});
  const halt = (why: string): void => stop.reject(new Error(why));
  const idle = watchIdle(clock, options.idleTimeoutMs, () =>
    halt(`no answer for ${options.idleTimeoutMs} ms`),
  );
  const stopTimer = after(clock, options.timeoutMs, () => halt(`not done within ${options.timeoutMs} ms`));
  const cancel = (): void => halt('cancelled');
  void connection.lost.then(halt);
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted) cancel();
  const wait: Wait = async <T>(call: Call<T>) => {
    const answer = Promise.withResolvers<T>();
    call((error, value) => {
      idle.touch();
      if (error) answer.reject(error);
      else answer.resolve(value as T);
    });
    return Promise.race([answer.promise, stop.promise]);
  };
  try {
    const files = filesOver(await wait<SFTPWrapper>((done) => connection.client.sftp(done)), wait);
    return ok(await sendMissing(files, wanted));
  } catch (cause) {
    return err(`${label}: ${(cause as Error).message}`);
  } finally {
    idle.stop();
    stopTimer();
    signal?.removeEventListener('abort', cancel);
  }
}

/** One question in ssh2's callback style. */
type Call<T> = (done: (error: Error | null | undefined, value?: T) => void) => void;
type Wait = <T>(call: Call<T>) => Promise<T>;

async function sendMissing(files: RemoteFiles, wanted: readonly Bytes[]): Promise<string | null> {
  let folder: string | null = null;
  for (const source of wanted) {
    if ((await files.size(`${KEPT}/${source.sha256}.deb`)) === source.size) continue;
    folder ??= await incomingFolder(files);
    try {
      await send(files, folder, source);
    } catch (cause) {
      // No program will follow that would use or remove what came before: on a full disk it would stay in the way.
      for (const { sha256 } of wanted) await files.remove(`${folder}/${sha256}.deb`).catch(() => {});
      throw cause;
    }
  }
  return folder;
}

async function incomingFolder(files: RemoteFiles): Promise<string> {
  const home = await files.home();
  const folder = `${home === '/' ? '' : home}/.cache/rollout`;
  await files.makeFolder(folder.replace(/\/rollout$/, ''));
  await files.makeFolder(folder);
  return folder;
}

async function send(files: RemoteFiles, folder: string, source: Bytes): Promise<void> {
  const final = `${folder}/${source.sha256}.deb`;
  const part = `${final}.part`;
  const free = await files.freeBytes(folder);
  if (free !== null && free < source.size) {
    throw new Error(
      `no space in ${folder}: ${kib(free)} KiB free, the package needs ${kib(source.size)} KiB`,
    );
  }
  try {
    await writeWhole(files, part, source);
    await files.replace(part, final).catch(async (cause: unknown) => {
      // Another delivery of the same package may have renamed the part that both wrote.
      if ((await files.size(final)) !== source.size) throw cause;
    });
  } catch (cause) {
    const left = await files.freeBytes(folder).catch(() => null);
    await files.remove(part).catch(() => {});
    const full = left !== null && left < CHUNK ? ` (no space left in ${folder})` : '';
    throw new Error(
      `package ${source.sha256.slice(0, 12)} was not delivered: ${(cause as Error).message}${full}`,
      { cause },
    );
  }
}

async function writeWhole(files: RemoteFiles, part: string, source: Bytes): Promise<void> {
  const hash = createHash('sha256');
  const handle = await files.open(part);
  const pending = new Set<Promise<void>>();
  let failure: unknown = null;
  let position = 0;
  for await (const bytes of source.open()) {
    hash.update(bytes);
    if (position + bytes.length > source.size)
      throw new Error(`the store gave more than ${source.size} bytes`);
    for (let start = 0; start < bytes.length; start += CHUNK) {
      const piece = Buffer.from(
        bytes.buffer,
        bytes.byteOffset + start,
        Math.min(CHUNK, bytes.length - start),
      );
      const write: Promise<void> = files.write(handle, piece, position).then(
        () => void pending.delete(write),
        (cause: unknown) => {
          failure ??= cause;
          pending.delete(write);
        },
      );
      pending.add(write);
      position += piece.length;
      if (pending.size >= IN_FLIGHT) await Promise.race(pending);
      if (failure !== null) throw failure;
    }
  }
  await Promise.all(pending);
  if (failure !== null) throw failure;
  if (position !== source.size) throw new Error(`the store gave ${position} bytes instead of ${source.size}`);
  const digest = hash.digest('hex');
  if (digest !== source.sha256) {
    throw new Error(
      `the store's bytes have sha256 ${digest}, staged was ${source.sha256}: the package was altered after staging`,
    );
  }
  await files.truncate(handle, source.size);
  await files.close(handle);
}

interface RemoteFiles {
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

function filesOver(sftp: SFTPWrapper, wait: Wait): RemoteFiles {
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

function kib(bytes: number): number {
  return Math.ceil(bytes / 1024);
}
