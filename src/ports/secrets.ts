/** How secrets are read. */
import type { SecretRef } from '../domain/connection.ts';
import type { Result } from '../domain/result.ts';

/** Reads secrets at the moment of use. The failing side is a sentence that names the reference, never the value. */
export interface SecretReader {
  read(ref: SecretRef): Promise<Result<string, string>>;
}
