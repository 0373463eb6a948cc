/**
 * Host keys of VMs, remembered on this machine by instance id, which is never used again. One file a VM; a file that is damaged, or
 * that cannot be read or written, counts as absent: it is asked for again.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PublishedKey } from '../../../ports/host-keys.ts';
import { keyOf } from './published-key.ts';

export interface KeyCache {
  read(id: string): Promise<readonly PublishedKey[] | null>;
  /** Best effort. */
  write(id: string, keys: readonly PublishedKey[]): Promise<void>;
}

const SCHEMA = 1;

export function keyCache(folder: string): KeyCache {
  const remembered = new Map<string, readonly PublishedKey[]>();
  // An id becomes a file's name.
  const fileOf = (id: string): string | null => (/^\d{1,20}$/.test(id) ? join(folder, `${id}.json`) : null);
  return {
    async read(id) {
      const known = remembered.get(id);
      if (known !== undefined) return known;
      const file = fileOf(id);
      const keys = file === null ? null : await readKeys(file);
      if (keys !== null) remembered.set(id, keys);
      return keys;
    },
    async write(id, keys) {
      remembered.set(id, keys);
      const file = fileOf(id);
      if (file !== null) await replaceFile(folder, file, textOf(keys)).catch(() => undefined);
    },
  };
}

async function readKeys(file: string): Promise<readonly PublishedKey[] | null> {
  try {
    const json = JSON.parse(await readFile(file, 'utf8')) as { schema?: unknown; keys?: unknown } | null;
    if (json?.schema !== SCHEMA || !Array.isArray(json.keys) || json.keys.length === 0) return null;
    const keys = json.keys.map((each: { type?: unknown; blob?: unknown } | null) =>
      keyOf(String(each?.type), String(each?.blob)),
    );
    // Half of a file's keys would make the other half look like somebody in between.
    return keys.every((key) => key !== null) ? keys : null;
  } catch {
    return null;
  }
}

function textOf(keys: readonly PublishedKey[]): string {
  const written = keys.map(({ type, blob }) => ({ type, blob: Buffer.from(blob).toString('base64') }));
  return `${JSON.stringify({ schema: SCHEMA, keys: written })}\n`;
}

/** Whoever reads it sees the one or the other, whole. */
async function replaceFile(folder: string, file: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
}
