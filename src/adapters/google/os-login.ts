/** The user name that OS Login gives to the account whose credentials are used. */
import type { Result } from '../../domain/result.ts';
import type { GoogleAccess } from './access.ts';

export function osLoginUser(_access: GoogleAccess): () => Promise<Result<string, string>> {
  throw new Error('being built');
}
