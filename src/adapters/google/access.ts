/**
 * Whose rights calls to Google are made with: Application Default Credentials, a key file, or a service account that those may act
 * as. Google's library is loaded by the first call, never by a command that only mentions an environment.
 *
 * A1  No key, token or key file's content gets into a message.
 */
import type { AuthClient, GoogleAuth } from 'google-auth-library';
import type { GoogleCredentials } from '../../domain/cloud.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { GoogleEndpoints } from './endpoints.ts';

export interface GoogleAccess {
  readonly credentials: GoogleCredentials;
  readonly endpoints: GoogleEndpoints;
}

const SCOPES = ['https://www.googleapis.com/auth/cloud-platform'];

/** How long an impersonated token lives, seconds: longer than any single wave, Google's default maximum. */
const IMPERSONATED_S = 3600;

export interface SignedIn {
  /** What both of Google's client libraries take as `auth` or `authClient`. */
  readonly auth: GoogleAuth;
  readonly client: AuthClient;
}

/** Finds the credentials; the error is a sentence with what mends it. Asks no service yet but a metadata server. */
export async function signIn(access: GoogleAccess): Promise<Result<SignedIn, string>> {
  const { GoogleAuth, Impersonated } = await import('google-auth-library');
  const { keyFile, impersonate } = access.credentials;
  try {
    const found = new GoogleAuth({
      scopes: SCOPES,
      ...(keyFile === undefined ? {} : { keyFilename: keyFile }),
    });
    const source = await found.getClient();
    if (impersonate === undefined) return ok({ auth: found, client: source });
    const { iamCredentials } = access.endpoints;
    const acting = new Impersonated({
      sourceClient: source,
      targetPrincipal: impersonate,
      targetScopes: SCOPES,
      lifetime: IMPERSONATED_S,
      ...(iamCredentials === undefined ? {} : { endpoint: iamCredentials }),
    });
    return ok({ auth: new GoogleAuth({ authClient: acting, scopes: SCOPES }), client: acting });
  } catch (cause) {
    return err(explainSignIn(cause, access.credentials));
  }
}

/** What a failure to get credentials or a token means, and the command that mends it. Takes anything thrown (A1). */
export function explainSignIn(cause: unknown, { keyFile, impersonate }: GoogleCredentials): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (keyFile !== undefined && (code === 'ENOENT' || code === 'EACCES'))
    return `the key file ${keyFile} cannot be read (${code}); set credentials.keyFile to a file that this user can read`;
  if (keyFile !== undefined && /JSON|private_key|client_email|type/.test(message))
    return `${keyFile} is not the key file of a service account; make one with: gcloud iam service-accounts keys create FILE --iam-account=NAME@PROJECT.iam.gserviceaccount.com`;
  if (/default credentials/i.test(message))
    return 'there are no Application Default Credentials; run: gcloud auth application-default login (or set credentials.keyFile)';
  if (/invalid_grant|reauth|invalid_rapt/i.test(message))
    return keyFile === undefined
      ? 'the Application Default Credentials have expired or were revoked; run: gcloud auth application-default login'
      : `Google refuses the key in ${keyFile}: it was deleted or the clock of this machine is wrong; make a new one`;
  if (impersonate !== undefined && /impersonat|unable to|getAccessToken|403|PERMISSION_DENIED/i.test(message))
    return `these credentials may not act as ${impersonate}; grant it: gcloud iam service-accounts add-iam-policy-binding ${impersonate} --member=user:YOU --role=roles/iam.serviceAccountTokenCreator`;
  return `Google's credentials cannot be used: ${message.split('\n', 1)[0]?.slice(0, 300)}`;
}
