/**
 * Reads a `.deb` from end to end in one pass, without unpacking it to disk or holding it in memory, and tells what it is.
 *
 * D1  Never rejects and never reads without end: every problem of a file is a DebError that names it.
 * D2  Everything is looked at, also what follows data.tar: the digest is that of the whole file.
 * D3  Stricter than dpkg where dpkg is lax: garbage behind the last member, members in another order, duplicates.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { DebFacts, PackageControl } from '../../domain/artifact.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { DebError, PackageReader } from '../../ports/package-reader.ts';
import { type ArMember, readArHeader, readArMagic, readArPadding } from './ar.ts';
import { ByteCursor } from './byte-cursor.ts';
import { parseControl } from './control.ts';
import { compressionOf, decompress } from './decompress.ts';
import { DebFailure } from './failure.ts';
import { FileTree, safePath } from './file-tree.ts';
import { DEB_LIMITS, type DebLimits } from './limits.ts';
import { TarReader } from './tar.ts';

export interface ReadDebOptions {
  /** Absolute path of the agent's daemon on a host, such as `/opt/osquery/bin/osqueryd`. */
  readonly executable: string;
  /** Names the file in errors; default: the path, or `package`. */
  readonly label?: string;
  /** Default DEB_LIMITS. */
  readonly limits?: DebLimits;
}

/** Reads a file by its path, or whatever `source` opens (once). May be repeated. */
export async function readDeb(
  source: string | (() => AsyncIterable<Uint8Array>),
  options: ReadDebOptions,
): Promise<Result<DebFacts, DebError>> {
  const label = options.label ?? (typeof source === 'string' ? source : 'package');
  const limits = options.limits ?? DEB_LIMITS;
  let cursor: ByteCursor | null = null;
  try {
    if (typeof source === 'string') await checkRegularFile(source);
    cursor = new ByteCursor(typeof source === 'string' ? openFile(source) : source(), limits.fileBytes);
    return ok(await readMembers(cursor, options.executable, limits));
  } catch (cause) {
    if (!(cause instanceof DebFailure)) throw cause;
    return err({ kind: cause.kind, message: `${label}: ${cause.message}` });
  } finally {
    await cursor?.close();
  }
}

/** The port, over this machine's file system. */
export const debReader: PackageReader = {
  read: (file, executable) => readDeb(file, { executable }),
  open: openFile,
};

function openFile(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: 256 * 1024 });
}

/** A pipe or a device might never end (D1). */
async function checkRegularFile(path: string): Promise<void> {
  try {
    const found = await stat(path);
    if (found.isFile()) return;
    throw new DebFailure(
      'unreadable',
      `it is ${found.isDirectory() ? 'a directory' : 'no regular file'}, expected a .deb`,
    );
  } catch (cause) {
    if (cause instanceof DebFailure) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw new DebFailure('unreadable', 'there is no such file');
    if (code === 'EACCES') throw new DebFailure('unreadable', 'permission denied');
    throw new DebFailure('unreadable', cause instanceof Error ? cause.message : String(cause));
  }
}

async function readMembers(cursor: ByteCursor, executable: string, limits: DebLimits): Promise<DebFacts> {
  await readArMagic(cursor);
  await readFormat(cursor);
  let control: PackageControl | null = null;
  let tree: FileTree | null = null;
  for (let member = await readArHeader(cursor); member !== null; member = await readArHeader(cursor)) {
    if (member.name.startsWith('_')) {
      // deb(5): a member that begins with an underscore may be passed over, such as debsigs' signatures.
      await drain(cursor.bytes(member.size, member.name));
    } else if (control === null) {
      control = await readControl(cursor, member, limits);
    } else if (tree === null) {
      tree = await readData(cursor, member, limits);
    } else {
      throw new DebFailure('malformed', `the member ${member.name} follows data.tar, where none may`); // D3
    }
    await readArPadding(cursor, member);
  }
  if (control === null) throw new DebFailure('truncated', 'it ends before control.tar');
  if (tree === null) throw new DebFailure('truncated', 'it ends before data.tar');
  return { ...cursor.digest(), control, executable: tree.executable(executable) };
}

async function readFormat(cursor: ByteCursor): Promise<void> {
  const member = await readArHeader(cursor);
  if (member === null) throw new DebFailure('truncated', 'it ends before debian-binary');
  if (member.name !== 'debian-binary' || member.size > 64) {
    throw new DebFailure(
      'not-a-deb',
      `it is an ar archive, but no Debian package: it begins with ${member.name}`,
    );
  }
  const format = Buffer.from(await cursor.take(member.size, 'debian-binary')).toString('latin1');
  if (!/^2\.\d+\n/.test(format)) {
    throw new DebFailure('unsupported', `its format is ${JSON.stringify(format.trim())}, expected 2.0`);
  }
  await readArPadding(cursor, member);
}

async function readControl(cursor: ByteCursor, member: ArMember, limits: DebLimits): Promise<PackageControl> {
  const parts: Uint8Array[] = [];
  const seen = new Set<string>();
  const tar = new TarReader(member.name, limits, (entry) => {
    const path = safePath(entry.name, member.name);
    if (entry.kind !== 'file') {
      if (entry.kind === 'directory' && path === '') return null;
      throw new DebFailure('malformed', `${member.name}: ${path} is no plain file`);
    }
    if (path.includes('/')) throw new DebFailure('malformed', `${member.name}: ${path} lies in a subfolder`);
    if (seen.has(path)) throw new DebFailure('malformed', `${member.name}: ${path} is in it twice`);
    seen.add(path);
    if (path !== 'control') return null;
    if (entry.size > limits.controlFileBytes) {
      throw new DebFailure(
        'too-large',
        `its control file has ${entry.size} bytes, allowed are ${limits.controlFileBytes}`,
      );
    }
    return { write: (part) => parts.push(part.slice()), end: () => undefined };
  });
  await readTar(cursor, member, tar, { base: 'control.tar', unpackedBytes: limits.controlBytes, limits });
  if (!seen.has('control')) throw new DebFailure('bad-control', `${member.name} has no control file in it`);
  return parseControl(Buffer.concat(parts).toString('utf8'));
}

async function readData(cursor: ByteCursor, member: ArMember, limits: DebLimits): Promise<FileTree> {
  const tree = new FileTree(member.name);
  const tar = new TarReader(member.name, limits, (entry) => {
    if (entry.size > limits.dataBytes) throw tooLarge(member.name, limits.dataBytes);
    return tree.add(entry);
  });
  await readTar(cursor, member, tar, { base: 'data.tar', unpackedBytes: limits.dataBytes, limits });
  tree.check();
  return tree;
}

interface TarBounds {
  readonly base: 'control.tar' | 'data.tar';
  readonly unpackedBytes: number;
  readonly limits: DebLimits;
}

async function readTar(
  cursor: ByteCursor,
  member: ArMember,
  tar: TarReader,
  bounds: TarBounds,
): Promise<void> {
  const compression = compressionOf(member.name, bounds.base);
  if (compression === null) {
    throw new DebFailure('malformed', `where ${bounds.base} must stand, there is ${member.name}`); // D3
  }
  const end = cursor.position + member.size;
  const { ratio, ratioFreeBytes } = bounds.limits;
  let unpacked = 0;
  for await (const chunk of decompress(cursor.bytes(member.size, member.name), compression, member)) {
    unpacked += chunk.length;
    if (unpacked > bounds.unpackedBytes) throw tooLarge(member.name, bounds.unpackedBytes);
    if (unpacked > ratioFreeBytes && unpacked > member.size * ratio) {
      throw new DebFailure(
        'too-large',
        `${member.name} unpacks to over ${ratio} times its size: a decompression bomb`,
      );
    }
    tar.feed(chunk);
  }
  tar.end();
  if (cursor.position !== end) {
    throw new DebFailure(
      'malformed',
      `${member.name}: ${end - cursor.position} bytes of garbage follow its ${compression} stream`,
    );
  }
}

function tooLarge(member: string, bytes: number): DebFailure {
  return new DebFailure(
    'too-large',
    `${member} unpacks to more than ${bytes} bytes, which no agent's package does`,
  );
}

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of bytes);
}
