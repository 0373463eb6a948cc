/** A host key as it is published: its type, and its bytes in base64. */
import type { PublishedKey } from '../../../ports/host-keys.ts';

/** Null when it is not what it says: the bytes begin with the type's length and name (RFC 4253, 6.6). */
export function keyOf(type: string, base64: string): PublishedKey | null {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return null;
  const blob = Buffer.from(base64, 'base64');
  if (type === '' || blob.length < 4 + type.length + 4) return null;
  return blob.readUInt32BE(0) === type.length && blob.toString('latin1', 4, 4 + type.length) === type
    ? { type, blob }
    : null;
}
