/** Folders of YAML files: which there are, and each one read. */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { err, ok, type Result } from '../domain/result.ts';
import type { Problem } from './problem.ts';
import { MAX_CONFIG_BYTES, readText } from './read-file.ts';
import type { Written } from './written.ts';

/** A problem of a file as a whole. */
export function whole(file: string, message: string): Problem {
  return { file, line: 0, column: 0, path: '', message };
}

/** Name of what a file describes: the file's own, without its ending. */
export function nameOf(file: string): string {
  return basename(file).replace(/\.ya?ml$/, '');
}

/** Such a name would reach a terminal wherever what the file describes is named. */
export function whyBadName(file: string): string | null {
  return /[\p{Cc}\p{Cf}]/u.test(basename(file))
    ? "the file's name has a character that cannot be seen; rename it, or take it away"
    : null;
}

export async function readOne<T>(
  file: string,
  read: (file: string, text: string) => Written<T>,
): Promise<Written<T>> {
  const text = await readText(file, MAX_CONFIG_BYTES);
  if (text.ok) return read(file, text.value);
  const { message, line = 0, column = 0 } = text.error;
  return {
    file,
    yaml: null,
    written: null,
    problems: [{ ...whole(file, message), line, column }],
    notes: [],
  };
}

/** Absolute, by name. */
export async function yamlFiles(
  dir: string,
): Promise<Result<string[], { readonly kind: 'not-there' | 'unreadable'; readonly message: string }>> {
  try {
    const names = await readdir(dir);
    return ok(
      names
        .filter((name) => /^[^.].*\.ya?ml$/.test(name))
        .sort()
        .map((name) => join(dir, name)),
    );
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return err(
      code === 'ENOENT'
        ? { kind: 'not-there', message: 'does not exist' }
        : { kind: 'unreadable', message: `cannot be read (${code})` },
    );
  }
}
