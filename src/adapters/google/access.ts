/**
 * Whose rights calls to Google are made with: Application Default Credentials, a key file, or a service account that those may act
 * as. Google's library is loaded by the first call, never by a command that only mentions an environment.
 *
 * A1  No key, token or key file's content gets into a message.
 * A2  Nothing is printed: the library's advice to its programmers is not for whoever runs this.
 */
import type { AuthClient, GoogleAuth } from 'google-auth-library';
import type { GoogleCredentials } from '../../domain/cloud.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { explainSignIn, isPassing, type SignInError } from './access-errors.ts';
import type { GoogleEndpoints } from './endpoints.ts';
import { readServiceAccountKey, tokenEndpointOf } from './key-file.ts';

export interface GoogleAccess {
  readonly credentials: GoogleCredentials;
  readonly endpoints: GoogleEndpoints;
  /** For a token, all attempts together, ms. Default 20,000. */
  readonly signInMs?: number;
}

const SCOPES = ['https://www.googleapis.com/auth/cloud-platform'];

const SIGN_IN_MS = 20_000;

/** How long an impersonated token lives, seconds: longer than any single wave, Google's default maximum. */
const IMPERSONATED_S = 3600;

/** Where the library asks for a service account's token, whatever the key file's `token_uri` says. */
const LIBRARYS_TOKEN_ENDPOINT = 'https://oauth2.googleapis.com/token';

/**
 * Given to the library as the project, so that it does not look for one (`gcloud` is run for that, and a metadata server is asked
 * for three seconds): every request here names its own.
 */
const NO_PROJECT = 'none';

export interface SignedIn {
  /** What both of Google's client libraries take as `auth` or `authClient`. */
  readonly auth: GoogleAuth;
  readonly client: AuthClient;
}

/** Finds the credentials; the error is a sentence with what mends it. Asks no service yet but a metadata server. */
export async function signIn(access: GoogleAccess): Promise<Result<SignedIn, string>> {
  const { keyFile, impersonate } = access.credentials;
  try {
    const source = keyFile === undefined ? await defaultClient() : await keyClient(keyFile);
    if (!source.ok) return source;
    askWithin(source.value, access.signInMs ?? SIGN_IN_MS);
    const client =
      impersonate === undefined ? source.value : await actingAs(impersonate, source.value, access.endpoints);
    const { GoogleAuth } = await import('google-auth-library');
    return ok({
      auth: new GoogleAuth({ authClient: client, scopes: SCOPES, projectId: NO_PROJECT }),
      client,
    });
  } catch (cause) {
    return err(explainSignIn(cause, access.credentials));
  }
}

/**
 * Has a token at hand before a service is asked, so that what is wrong with the credentials is told apart from what the service
 * says. Costs a request only when there is none that lives for some minutes yet.
 */
export async function haveToken(
  { client }: SignedIn,
  credentials: GoogleCredentials,
): Promise<Result<void, SignInError>> {
  try {
    const { token } = await client.getAccessToken();
    if (typeof token === 'string' && token !== '') return ok(undefined);
    return err({ message: "Google's sign-in answered without a token", retryable: true });
  } catch (cause) {
    return err({ message: explainSignIn(cause, credentials), retryable: isPassing(cause) });
  }
}

async function defaultClient(): Promise<Result<AuthClient, string>> {
  const { GoogleAuth, JWT } = await import('google-auth-library');
  const found = new GoogleAuth({ scopes: SCOPES, projectId: NO_PROJECT });
  const client = await found.getClient();
  if (client instanceof JWT) {
    const tokenUri = tokenEndpointOf(found.jsonContent);
    if (!tokenUri.ok) return tokenUri;
    askForTokensAt(client, tokenUri.value);
  }
  return ok(client);
}

async function keyClient(file: string): Promise<Result<AuthClient, string>> {
  const key = await readServiceAccountKey(file);
  if (!key.ok) return key;
  const { JWT } = await import('google-auth-library');
  const { email, privateKey, keyId, tokenUri } = key.value;
  const client = new JWT({ email, key: privateKey, scopes: SCOPES, ...(keyId === '' ? {} : { keyId }) });
  askForTokensAt(client, tokenUri);
  return ok(client);
}

function askForTokensAt({ transporter }: AuthClient, endpoint: string): void {
  if (endpoint === LIBRARYS_TOKEN_ENDPOINT) return;
  transporter.interceptors.request.add({
    resolved: (request) => {
      if (request.url.href === LIBRARYS_TOKEN_ENDPOINT) request.url = new URL(endpoint);
      return Promise.resolve(request);
    },
  });
}

/**
 * Sign-in that takes the question and says nothing must not hold up a command for ever: the library itself waits. No attempt begins
 * with an aborted signal, as the library's own would: that ends the process (node-fetch 3.3.2).
 */
function askWithin({ transporter }: AuthClient, ms: number): void {
  transporter.interceptors.request.add({
    resolved: (request) => {
      if (!/\/(token|[^/]*:generateAccessToken|[^/]*:signBlob)$/.test(request.url.pathname))
        return Promise.resolve(request);
      const signal = AbortSignal.timeout(ms);
      let cause: unknown = new Error(`timed out after ${ms} ms`);
      request.adapter = async (attempt, ask) => {
        if (signal.aborted) throw cause;
        try {
          return await ask({ ...attempt, signal });
        } catch (why) {
          cause = why;
          throw why;
        }
      };
      return Promise.resolve(request);
    },
  });
}

async function actingAs(
  targetPrincipal: string,
  sourceClient: AuthClient,
  { iamCredentials }: GoogleEndpoints,
): Promise<AuthClient> {
  const { Impersonated } = await import('google-auth-library');
  const make = (): AuthClient =>
    new Impersonated({
      sourceClient,
      targetPrincipal,
      targetScopes: SCOPES,
      lifetime: IMPERSONATED_S,
      ...(iamCredentials === undefined ? {} : { endpoint: iamCredentials }),
    });
  // A2: what the library does itself for Application Default Credentials; its types do not tell of it.
  const inside: object = await import('google-auth-library/build/src/util.js');
  const { suppressAdcWarning } = inside as { suppressAdcWarning?: (make: () => AuthClient) => AuthClient };
  return suppressAdcWarning === undefined ? make() : suppressAdcWarning(make);
}
