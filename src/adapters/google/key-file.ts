/** A service account's key file, as `gcloud iam service-accounts keys create` writes it. None of its content gets into a message. */
import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { err, ok, type Result } from '../../domain/result.ts';
import { whyUnfit } from './endpoints.ts';

export interface ServiceAccountKey {
  readonly email: string;
  /** PEM. A secret. */
  readonly privateKey: string;
  /** May be empty. */
  readonly keyId: string;
  /** Where its tokens are asked for. */
  readonly tokenUri: string;
}

const GOOGLES_TOKEN_URI = 'https://oauth2.googleapis.com/token';

const MAKE_ONE =
  'make one with: gcloud iam service-accounts keys create FILE --iam-account=NAME@PROJECT.iam.gserviceaccount.com';

/** The error is a sentence with what mends it. */
export async function readServiceAccountKey(file: string): Promise<Result<ServiceAccountKey, string>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    return err(
      `the key file ${file} cannot be read (${code}); set credentials.keyFile to a file that this user can read`,
    );
  }
  const json = jsonOf(text);
  if (json === null)
    return err(`${file} is not a key file of a service account: it is not JSON; ${MAKE_ONE}`);
  const type = wordOf(json.type);
  if (type === 'authorized_user' || type === 'external_account' || type === 'impersonated_service_account')
    return err(
      `${file} holds credentials of the type ${type}, not a service account's key; name it in the environment variable GOOGLE_APPLICATION_CREDENTIALS and leave credentials.keyFile out`,
    );
  const email = wordOf(json.client_email);
  const privateKey = wordOf(json.private_key);
  if (type !== 'service_account' || email === '' || privateKey === '')
    return err(
      `${file} is not a key file of a service account: it lacks type, client_email or private_key; ${MAKE_ONE}`,
    );
  if (!isPrivateKey(privateKey))
    return err(`${file} is damaged: what it gives as private_key is no private key; ${MAKE_ONE}`);
  const tokenUri = tokenEndpointOf(json);
  return tokenUri.ok
    ? ok({ email, privateKey, keyId: wordOf(json.private_key_id), tokenUri: tokenUri.value })
    : err(`${file}: ${tokenUri.error}`);
}

/** Where a key file's tokens are asked for; the error is a sentence. Signed claims go there, so never in the clear. */
export function tokenEndpointOf(json: unknown): Result<string, string> {
  const uri = typeof json === 'object' && json !== null && 'token_uri' in json ? wordOf(json.token_uri) : '';
  // The old name of the same endpoint, in key files of before 2018.
  if (uri === '' || uri === 'https://accounts.google.com/o/oauth2/token') return ok(GOOGLES_TOKEN_URI);
  const why = whyUnfit(uri);
  return why === null ? ok(uri) : err(`token_uri of the key file ${why}; expected ${GOOGLES_TOKEN_URI}`);
}

function jsonOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function isPrivateKey(pem: string): boolean {
  try {
    createPrivateKey(pem);
    return true;
  } catch {
    return false;
  }
}

function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
