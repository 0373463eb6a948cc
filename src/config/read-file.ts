/** Bytes of a configuration file to text, with every way that can go wrong as a value. */
import { readFile, stat } from 'node:fs/promises';
import { err, ok, type Result } from '../domain/result.ts';

export interface ReadFailure {
  /** `not-there`: nothing exists under this name. */
  readonly kind: 'not-there' | 'unreadable';
  readonly message: string;
  /** First byte that is wrong, where one can be told. */
  readonly line?: number;
  readonly column?: number;
}

/** Largest environment or playbook, bytes: a thousand times what people write. */
export const MAX_CONFIG_BYTES = 1 << 20;
/** Largest list of hosts, bytes: some 100,000 hosts. */
export const MAX_INVENTORY_BYTES = 64 << 20;

export async function readText(file: string, maxBytes: number): Promise<Result<string, ReadFailure>> {
  let bytes: Uint8Array;
  try {
    const info = await stat(file);
    if (!info.isFile()) return err({ kind: 'unreadable', message: 'it is not a regular file' });
    if (info.size > maxBytes) {
      return err({
        kind: 'unreadable',
        message: `it is ${info.size} bytes long; at most ${maxBytes} are read`,
      });
    }
    bytes = await readFile(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    const missing = code === 'ENOENT' || code === 'ENOTDIR';
    return err(
      missing
        ? { kind: 'not-there', message: 'the file does not exist' }
        : { kind: 'unreadable', message: `cannot be read (${code})` },
    );
  }
  return decodeText(bytes);
}

/** UTF-8 only: a byte-order mark is dropped, anything else that is not UTF-8 is refused with its place. */
export function decodeText(bytes: Uint8Array): Result<string, ReadFailure> {
  try {
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return err({ kind: 'unreadable', message: 'it is not UTF-8 text', ...firstWrongByte(bytes) });
  }
}

function firstWrongByte(bytes: Uint8Array): { line: number; column: number } {
  const before = new TextDecoder('utf-8').decode(bytes).split('\uFFFD', 1)[0] ?? '';
  const lines = before.split('\n');
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 };
}
