/** The checksums that Cloud Storage keeps of an object, as it writes them: base64, crc32c in network byte order. */
import { createHash } from 'node:crypto';

const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value;
});

export function crc32cOf(bytes: Uint8Array): string {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (TABLE[(sum ^ byte) & 0xff] ?? 0) ^ (sum >>> 8);
  const text = Buffer.alloc(4);
  text.writeUInt32BE((sum ^ 0xffffffff) >>> 0);
  return text.toString('base64');
}

export function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64');
}
