/** The Authorization header, made of a secret that is read at the moment of use. */
import type { HttpAuth, SecretRef } from '../../domain/connection.ts';
import { err, ok, type Result, unreachable } from '../../domain/result.ts';
import type { SecretReader } from '../../ports/secrets.ts';

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  /** What must stand in no message, in every form that is sent. */
  readonly secrets: readonly string[];
}

export async function readCredentials(
  auth: HttpAuth,
  reader: SecretReader,
): Promise<Result<Credentials, string>> {
  if (auth.kind === 'none') return ok({ headers: {}, secrets: [] });
  const ref = auth.kind === 'bearer' ? auth.token : auth.password;
  const read = await reader.read(ref);
  if (!read.ok) return read;
  const secret = read.value.trim();
  // A line break inside would end the header, and Node's error would quote the value.
  if (!/^[\x20-\x7e]+$/.test(secret) && (auth.kind === 'bearer' || secret === '')) {
    return err(`the secret in ${showRef(ref)} is empty or holds characters that a header cannot carry`);
  }
  if (auth.kind === 'bearer')
    return ok({ headers: { authorization: `Bearer ${secret}` }, secrets: [secret] });
  const pair = Buffer.from(`${auth.username}:${secret}`, 'utf8').toString('base64');
  return ok({ headers: { authorization: `Basic ${pair}` }, secrets: [pair, secret] });
}

/** For messages: where the credentials come from, never what they are. `setting` is the map of keys that would name them. */
export function describeAuth(auth: HttpAuth, setting: string): string {
  switch (auth.kind) {
    case 'none':
      return `none are configured (${setting}.tokenEnv or tokenFile)`;
    case 'bearer':
      return `bearer token from ${showRef(auth.token)}`;
    case 'basic':
      return `user ${auth.username}, password from ${showRef(auth.password)}`;
    default:
      return unreachable(auth);
  }
}

function showRef(ref: SecretRef): string {
  return ref.kind === 'env' ? `environment variable ${ref.name}` : `file ${ref.path}`;
}
