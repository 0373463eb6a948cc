/**
 * Sends packages to a host over SFTP.
 *
 * SN1  A package appears under its final name whole or not at all. SN2  Bytes are hashed while they are sent: what the store
 * gives is compared with what was staged, and what does not match is removed. (The host hashes again what it received.)
 * SN3  The part file is written over from its start and never truncated first, so that two who deliver the same package at
 * once write the same bytes to the same places.
 */
import { createHash } from 'node:crypto';
import type { PackageSource } from '../../ports/remote.ts';
import type { RemoteFiles } from './sftp-files.ts';

/** Where the host programs keep packages (0755), so that what is there need not be sent. */
const KEPT = '/var/lib/rollout/packages';
/** SFTP's guaranteed size of a write, bytes. */
const CHUNK = 32 * 1024;
/** Writes on their way at once: 2 MiB, enough for 10 MB/s at 200 ms. */
const IN_FLIGHT = 64;

export type BytesSource = Extract<PackageSource, { kind: 'bytes' }>;

/** The value is the folder that something was sent to, absolute, or null when the host keeps all. Throws what went wrong. */
export async function sendMissing(
  files: RemoteFiles,
  wanted: readonly BytesSource[],
): Promise<string | null> {
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

async function send(files: RemoteFiles, folder: string, source: BytesSource): Promise<void> {
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

async function writeWhole(files: RemoteFiles, part: string, source: BytesSource): Promise<void> {
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

function kib(bytes: number): number {
  return Math.ceil(bytes / 1024);
}
