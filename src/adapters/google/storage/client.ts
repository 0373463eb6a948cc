/** Google's storage library, loaded and signed in at the first call. */
import type { Bucket, File, Storage } from '@google-cloud/storage';
import type { GcsPlace } from '../../../domain/cloud.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import { type GoogleAccess, haveToken, type SignedIn, signIn } from '../access.ts';
import type { ObjectError } from './objects.ts';

export const GOOGLES_OWN = 'https://storage.googleapis.com';

export interface Client {
  readonly signedIn: SignedIn;
  readonly bucket: Bucket;
  /** For uploads in parts: within one, the library goes on by itself after a part that failed. */
  readonly patientFile: (name: string) => Promise<File>;
  /** A new sum, of a library that is in pure JavaScript: for objects without MD5. */
  readonly crc32c: () => { update(bytes: Buffer): void; toString(): string };
}

export interface ClientOptions {
  readonly place: GcsPlace;
  readonly access: GoogleAccess;
  /** Longest silence, ms. */
  readonly attemptMs: number;
}

export interface Connection {
  /** Signed in, and with a token that is good for some minutes. */
  get(): Promise<Result<Client, ObjectError>>;
}

export function connection(options: ClientOptions): Connection {
  let opening: Promise<Result<Client, ObjectError>> | null = null;
  return {
    async get() {
      opening ??= open(options);
      const client = await opening;
      if (!client.ok) {
        opening = null;
        return client;
      }
      const token = await haveToken(client.value.signedIn, options.access.credentials);
      if (token.ok) return client;
      const { message, retryable } = token.error;
      return err(retryable ? { kind: 'unavailable', message, retryable } : { kind: 'denied', message });
    },
  };
}

async function open({ place, access, attemptMs }: ClientOptions): Promise<Result<Client, ObjectError>> {
  const [library, signedIn] = await Promise.all([import('@google-cloud/storage'), signIn(access)]);
  if (!signedIn.ok) return err({ kind: 'denied', message: signedIn.error });
  const endpoint = access.endpoints.storage ?? GOOGLES_OWN;
  const common = {
    authClient: signedIn.value.auth,
    apiEndpoint: endpoint,
    useAuthWithCustomEndpoint: true,
    timeout: attemptMs,
  };
  const userProject = place.project === undefined ? {} : { userProject: place.project };
  const quick = new library.Storage({ ...common, retryOptions: { autoRetry: false } });
  const patient = new library.Storage({
    ...common,
    retryOptions: { autoRetry: true, maxRetries: 3, maxRetryDelay: 8 },
  });
  for (const storage of [quick, patient]) keepBaseUrl(storage, endpoint);
  return ok({
    signedIn: signedIn.value,
    bucket: quick.bucket(place.bucket, userProject),
    async patientFile(name) {
      const file = patient.bucket(place.bucket, userProject).file(name);
      if (new URL(endpoint).hostname.endsWith('.googleapis.com')) return file;
      // At other endpoints the library's resumable upload leaves out the token, whatever useAuthWithCustomEndpoint says (8.4.0).
      const authorization = (await signedIn.value.client.getRequestHeaders()).get('authorization') ?? '';
      changeRequests(file, (request) => ({ headers: { ...request.headers, authorization } }));
      return file;
    },
    crc32c: () => new library.CRC32C(),
  });
}

/** STORAGE_EMULATOR_HOST, where somebody has it set, would take the API's path away (8.4.0). */
function keepBaseUrl(storage: Storage, endpoint: string): void {
  storage.baseUrl = `${endpoint}/storage/v1`;
}

/** One generation of an object. Given it as an option, the library takes it for a number and loses its last digits (8.4.0). */
export function pinned(bucket: Bucket, name: string, generation: string): File {
  const file = bucket.file(name);
  changeRequests(file, ({ qs }) => ({ qs: { ...(qs as object | undefined), generation } }));
  return file;
}

type Interceptor = File['interceptors'][number];
type Request = Parameters<Interceptor['request']>[0];

function changeRequests(file: File, change: (request: Request) => Partial<Request>): void {
  const request: Interceptor['request'] = (options) =>
    Object.assign(options, change(options)) as ReturnType<Interceptor['request']>;
  file.interceptors.push({ request });
}
