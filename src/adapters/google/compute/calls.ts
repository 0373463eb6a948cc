/**
 * Compute Engine's calls, one attempt each: signed in at the first, and every failure a value. The library's own retries are off,
 * since they take an answer that cannot be read for an outage of ten minutes.
 */
import { createRequire } from 'node:module';
import { err, ok, type Result } from '../../../domain/result.ts';
import { type GoogleAccess, haveToken, type SignedIn, signIn } from '../access.ts';
import type { AggregatedAnswer, GuestAttributesAnswer, ListAnswer } from './answers.ts';
import { type CallFailure, failureOf } from './call-failure.ts';
import { trimSchema } from './schema.ts';

export interface PageRequest {
  readonly project: string;
  readonly filter?: string;
  readonly maxResults: number;
  readonly pageToken?: string;
}

interface InstanceRequest {
  readonly project: string;
  readonly zone: string;
  /** Name or id. */
  readonly instance: string;
}

export interface CallOptions {
  /** For the whole call, sign-in included, ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

type Answer<T> = Promise<Result<T, CallFailure>>;

/** Calls never reject. */
export interface ComputeCalls {
  aggregatedList(request: PageRequest, options: CallOptions): Answer<AggregatedAnswer>;
  list(request: PageRequest & { readonly zone: string }, options: CallOptions): Answer<ListAnswer>;
  guestAttributes(
    request: InstanceRequest & { readonly queryPath: string },
    options: CallOptions,
  ): Answer<GuestAttributesAnswer>;
  /** Which of the permissions the caller has on the instance. */
  testPermissions(
    request: InstanceRequest & { readonly permissions: readonly string[] },
    options: CallOptions,
  ): Answer<readonly string[]>;
}

/** The part of the library's client that is used. Its own types are 33 MB of source. */
interface Client {
  initialize(): Promise<unknown>;
  readonly innerApiCalls: Readonly<
    Record<string, (request: unknown, options: unknown) => Promise<unknown[]> & { cancel?: () => void }>
  >;
}

interface Opened {
  readonly signedIn: SignedIn;
  readonly client: Client;
}

/** Loads the library and signs in at the first call; what failed then is tried again by the next. */
export function computeCalls(access: GoogleAccess): ComputeCalls {
  let opening: Promise<Result<Opened, CallFailure>> | undefined;

  const opened = async (): Promise<Result<Opened, CallFailure>> => {
    opening ??= open(access);
    const answer = await opening;
    if (!answer.ok) opening = undefined;
    return answer;
  };

  const call = async (
    method: string,
    request: object,
    { timeoutMs, signal }: CallOptions,
  ): Promise<Result<unknown[], CallFailure>> => {
    if (signal?.aborted) return err(CALLED_OFF);
    const late = AbortSignal.timeout(timeoutMs);
    const stop = signal === undefined ? late : AbortSignal.any([signal, late]);
    let isSigningIn = true;
    const stopped = new Promise<Result<never, CallFailure>>((resolve) => {
      const end = (): void =>
        resolve(err(signal?.aborted ? CALLED_OFF : isSigningIn ? noSignIn(timeoutMs) : noAnswer(timeoutMs)));
      if (stop.aborted) end();
      else stop.addEventListener('abort', end, { once: true });
    });
    const attempt = async (): Promise<Result<unknown[], CallFailure>> => {
      const at = await opened();
      if (!at.ok) return at;
      // Before each call: an expired token would be said to be Compute Engine's refusal.
      const token = await haveToken(at.value.signedIn, access.credentials);
      if (!token.ok) return err({ kind: 'credentials', ...token.error });
      isSigningIn = false;
      if (stop.aborted) return stopped;
      try {
        const asked = at.value.client.innerApiCalls[method]?.(request, {
          autoPaginate: false,
          timeout: timeoutMs,
          retry: null,
        });
        if (asked === undefined) throw new Error(`bug: no call ${method}`);
        stop.addEventListener('abort', () => asked.cancel?.(), { once: true });
        return ok(await asked);
      } catch (cause) {
        return err(failureOf(cause));
      }
    };
    return Promise.race([stopped, attempt()]);
  };

  return {
    async aggregatedList(request, options) {
      const answer = await call('aggregatedList', request, options);
      return answer.ok ? ok((answer.value[2] ?? {}) as AggregatedAnswer) : answer;
    },
    async list(request, options) {
      const answer = await call('list', request, options);
      return answer.ok ? ok((answer.value[2] ?? {}) as ListAnswer) : answer;
    },
    async guestAttributes(request, options) {
      const answer = await call('getGuestAttributes', request, options);
      return answer.ok ? ok((answer.value[0] ?? {}) as GuestAttributesAnswer) : answer;
    },
    async testPermissions({ project, zone, instance, permissions }, options) {
      const answer = await call(
        'testIamPermissions',
        { project, zone, resource: instance, testPermissionsRequestResource: { permissions } },
        options,
      );
      if (!answer.ok) return answer;
      const { permissions: granted } = (answer.value[0] ?? {}) as { permissions?: string[] | null };
      return ok(granted ?? []);
    },
  };
}

const CALLED_OFF: CallFailure = { kind: 'passing', message: 'called off', retryable: false };

function noAnswer(ms: number): CallFailure {
  return { kind: 'passing', message: `no answer within ${ms} ms`, retryable: true };
}

function noSignIn(ms: number): CallFailure {
  const message = `Google's sign-in cannot be reached (no answer within ${ms} ms); look at this machine's network, proxy and DNS, then try again`;
  return { kind: 'credentials', message, retryable: true };
}

async function open(access: GoogleAccess): Promise<Result<Opened, CallFailure>> {
  const signedIn = await signIn(access);
  if (!signedIn.ok) return err({ kind: 'credentials', message: signedIn.error, retryable: false });
  const Client = clientClass();
  const client = new Client({ auth: signedIn.value.auth, ...addressOf(access.endpoints.compute) });
  await client.initialize();
  return ok({ signedIn: signedIn.value, client });
}

let loaded: (new (options: object) => Client) | undefined;

/** Only the one client of some hundred; by `require`, since the description has to be cut down before the client reads it. */
function clientClass(): new (options: object) => Client {
  if (loaded !== undefined) return loaded;
  const load = createRequire(import.meta.url);
  trimSchema(load('@google-cloud/compute/build/protos/protos.json'));
  const found = load('@google-cloud/compute/build/src/v1/instances_client.js') as {
    InstancesClient: new (options: object) => Client;
  };
  loaded = found.InstancesClient;
  return loaded;
}

/** As the library wants it: a host name without scheme and port. */
function addressOf(endpoint: string | undefined): object {
  if (endpoint === undefined) return {};
  const { protocol, hostname, port } = new URL(endpoint);
  const scheme = protocol.slice(0, -1);
  return {
    apiEndpoint: hostname,
    protocol: scheme,
    port: port === '' ? (scheme === 'https' ? 443 : 80) : Number(port),
  };
}
