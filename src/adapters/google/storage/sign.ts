/** A v4 signed URL to GET one generation. */
import type { GoogleCredentials } from '../../../domain/cloud.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { GoogleAccess } from '../access.ts';
import { isPassing } from '../access-errors.ts';
import { type Client, GOOGLES_OWN } from './client.ts';
import { within } from './persist.ts';

export interface SignOptions {
  readonly client: Client;
  readonly access: GoogleAccess;
  readonly bucket: string;
  /** Full name in the bucket. */
  readonly name: string;
  readonly generation: string;
  /** Base URL at which whoever gets the URL reaches the bucket; absent: the endpoint in use. */
  readonly fetchFrom?: string;
  readonly project?: string;
  /** The library's clock decides whether it is past, ms since the epoch. */
  readonly from: number;
  readonly lifetimeMs: number;
}

/** For a signature by Google itself, ms. */
const SIGN_MS = 20_000;

export async function signUrl(options: SignOptions): Promise<Result<string, string>> {
  const { client, access, from, lifetimeMs, project } = options;
  const { Storage } = await import('@google-cloud/storage');
  const auth = await signerOf(client, access.credentials);
  if (!auth.ok) return auth;
  const endpoint = access.endpoints.storage ?? GOOGLES_OWN;
  const storage = new Storage({ authClient: auth.value, apiEndpoint: endpoint });
  const file = storage.bucket(options.bucket).file(options.name);
  const { iamCredentials } = access.endpoints;
  try {
    const [url] = await within(
      SIGN_MS,
      file.getSignedUrl({
        version: 'v4',
        action: 'read',
        accessibleAt: from,
        expires: from + lifetimeMs,
        host: options.fetchFrom ?? endpoint,
        queryParams: {
          generation: options.generation,
          ...(project === undefined ? {} : { userProject: project }),
        },
        ...(iamCredentials === undefined
          ? {}
          : { signingEndpoint: `${iamCredentials}/v1/projects/-/serviceAccounts/` }),
      }),
    );
    return ok(url);
  } catch (cause) {
    return err(explain(cause, access.credentials));
  }
}

type Auth = Client['signedIn']['auth'];

/** What signs: the key at hand, or Google for an account that these credentials are. People's own credentials can do neither. */
async function signerOf({ signedIn }: Client, credentials: GoogleCredentials): Promise<Result<Auth, string>> {
  const { GoogleAuth, JWT, UserRefreshClient } = await import('google-auth-library');
  const { client, auth } = signedIn;
  if (client instanceof UserRefreshClient) return err(CANNOT_SIGN);
  if (!(client instanceof JWT)) return ok(auth);
  const { email } = client;
  if (email === undefined) return err(explain(new Error('without `client_email`'), credentials));
  const signer = new GoogleAuth({ authClient: client, projectId: 'none' });
  // Asked for the signer's name, GoogleAuth looks everywhere but into the client that it was given (11.3.4).
  signer.getCredentials = () => Promise.resolve({ client_email: email });
  return ok(signer);
}

const CANNOT_SIGN =
  "a person's credentials (gcloud auth application-default login) cannot sign a URL; set credentials.impersonate to a service " +
  'account that may read the bucket (you need roles/iam.serviceAccountTokenCreator on it), or set delivery: service-account or sftp';

function explain(cause: unknown, { impersonate }: GoogleCredentials): string {
  const message = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1)[0] ?? '';
  if (/client_email|NO_CREDENTIALS|unable to find credentials/i.test(message)) return CANNOT_SIGN;
  if (/signBlob|permission|denied|403/i.test(message)) {
    const who = impersonate ?? 'the service account in use';
    return `${who} may not sign a URL; grant it to whoever signs in: gcloud iam service-accounts add-iam-policy-binding ${impersonate ?? 'ACCOUNT'} --member=serviceAccount:${impersonate ?? 'ACCOUNT'} --role=roles/iam.serviceAccountTokenCreator (and: gcloud services enable iamcredentials.googleapis.com), or set delivery: service-account`;
  }
  if (/expiration|in the past/i.test(message))
    return `a URL cannot be signed: the clock of this machine is wrong (${message})`;
  const again = isPassing(cause) || /no answer within/.test(message) ? '; try again' : '';
  return `a URL cannot be signed: ${message.slice(0, 200)}${again}`;
}
