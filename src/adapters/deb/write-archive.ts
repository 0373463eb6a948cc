/** The two containers of a `.deb`, written: ar and GNU tar. For small packages: everything is held in memory. */
import { AR_MAGIC } from './ar.ts';

export interface ArContent {
  readonly name: string;
  readonly content: Uint8Array;
}

export function arArchive(members: readonly ArContent[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(AR_MAGIC)];
  for (const { name, content } of members) {
    const fields = [name.padEnd(16), '0'.padEnd(12), '0'.padEnd(6), '0'.padEnd(6), '100644'.padEnd(8)];
    parts.push(Buffer.from(`${fields.join('')}${String(content.length).padEnd(10)}\`\n`, 'latin1'), content);
    if (content.length % 2 === 1) parts.push(Buffer.from('\n'));
  }
  return Buffer.concat(parts);
}

export interface TarItem {
  /** As it is to stand in the archive, such as `./usr/bin/osqueryd`. */
  readonly name: string;
  /** tar's type letter: 0 file, 1 hard link, 2 symbolic link, 5 directory. */
  readonly type: '0' | '1' | '2' | '5';
  readonly mode: number;
  readonly content?: Uint8Array;
  readonly link?: string;
}

/** Everything belongs to root and is as old as the epoch, so that the same items give the same bytes. */
export function tarArchive(items: readonly TarItem[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const item of items) {
    if (Buffer.byteLength(item.name) > 100) parts.push(...longName('L', item.name));
    if (Buffer.byteLength(item.link ?? '') > 100) parts.push(...longName('K', item.link ?? ''));
    const content = item.content ?? new Uint8Array(0);
    parts.push(tarHeader({ ...item, size: content.length }), content, padding(content.length));
  }
  // Two empty blocks end a tar, and GNU tar fills up to 10 KiB.
  const size = parts.reduce((sum, part) => sum + part.length, 0) + 1024;
  parts.push(new Uint8Array(1024 + ((10_240 - (size % 10_240)) % 10_240)));
  return Buffer.concat(parts);
}

function longName(type: 'L' | 'K', text: string): Uint8Array[] {
  const content = Buffer.from(`${text}\0`);
  const header = tarHeader({ name: '././@LongLink', type, mode: 0o644, size: content.length });
  return [header, content, padding(content.length)];
}

function padding(size: number): Uint8Array {
  return new Uint8Array((512 - (size % 512)) % 512);
}

/** One header block with its checksum; exported so that tests can write what this writer never would. */
export function tarHeader(item: {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  readonly link?: string;
}): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(Buffer.from(item.name).subarray(0, 100).toString('latin1'), 0, 'latin1');
  header.write(octal(item.mode, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(item.size, 11), 124);
  header.write(octal(0, 11), 136);
  header.write(item.type, 156);
  header.write(
    Buffer.from(item.link ?? '')
      .subarray(0, 100)
      .toString('latin1'),
    157,
    'latin1',
  );
  header.write('ustar  \0', 257);
  header.write('root', 265);
  header.write('root', 297);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
