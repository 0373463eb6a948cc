/** Reads secrets where the settings say they are, at the moment of use. No error holds a secret. */
import { readFile } from 'node:fs/promises';
import { err, ok } from '../../domain/result.ts';
import type { SecretReader } from '../../ports/secrets.ts';

/** Largest secret file read, bytes: a token or passphrase, not a document. */
const MOST_BYTES = 64 * 1024;

export function secretReader(env: Readonly<Record<string, string | undefined>>): SecretReader {
  return {
    read: async (ref) => {
      if (ref.kind === 'env') {
        const value = env[ref.name];
        if (value === undefined || value === '')
          return err(`the environment variable ${ref.name} is not set; export it and try again`);
        return ok(value);
      }
      try {
        const text = await readFile(ref.path, 'utf8');
        if (text.length > MOST_BYTES) return err(`${ref.path} is too large for a secret`);
        const secret = text.replace(/\r?\n$/u, '');
        return secret === '' ? err(`${ref.path} is empty`) : ok(secret);
      } catch (cause) {
        return err(
          `cannot read the secret file ${ref.path}: ${cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error'}`,
        );
      }
    },
  };
}
