/**
 * Where Google's services answer. Normally Google's own addresses; other ones, such as a private endpoint or a test bench, are
 * named by the environment variables ROLLOUT_COMPUTE_ENDPOINT, ROLLOUT_STORAGE_ENDPOINT, ROLLOUT_IAMCREDENTIALS_ENDPOINT,
 * ROLLOUT_OSLOGIN_ENDPOINT.
 *
 * E1  Tokens go there, so only https is spoken, and plain http to this machine alone.
 */
import { err, ok, type Result } from '../../domain/result.ts';

export interface GoogleEndpoints {
  /** Base URLs without a slash at the end; absent: Google's own. */
  readonly compute?: string;
  readonly storage?: string;
  readonly iamCredentials?: string;
  readonly osLogin?: string;
}

const VARIABLES = {
  compute: 'ROLLOUT_COMPUTE_ENDPOINT',
  storage: 'ROLLOUT_STORAGE_ENDPOINT',
  iamCredentials: 'ROLLOUT_IAMCREDENTIALS_ENDPOINT',
  osLogin: 'ROLLOUT_OSLOGIN_ENDPOINT',
} as const;

const GOOGLES = {
  compute: 'https://compute.googleapis.com',
  storage: 'https://storage.googleapis.com',
  iamCredentials: 'https://iamcredentials.googleapis.com',
  osLogin: 'https://oslogin.googleapis.com',
} as const;

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

/** The error is a sentence that names the variable. */
export function endpointsFrom(
  env: Readonly<Record<string, string | undefined>>,
): Result<GoogleEndpoints, string> {
  const found: { -readonly [K in keyof GoogleEndpoints]: string } = {};
  for (const [service, variable] of Object.entries(VARIABLES) as [keyof typeof VARIABLES, string][]) {
    const text = env[variable];
    if (text === undefined || text === '') continue;
    const why = whyUnfit(text);
    if (why !== null) return err(`${variable} ${why}; expected a base URL such as ${GOOGLES[service]}`);
    // Its library takes a host name and a port alone: the path would be lost.
    if (service === 'compute' && new URL(text).pathname !== '/')
      return err(`${variable} has a path; expected a base URL without one, such as ${GOOGLES.compute}`);
    found[service] = text.replace(/\/+$/, '');
  }
  return ok(found);
}

/** Why nothing secret may be sent there, or null (E1). */
export function whyUnfit(text: string): string | null {
  if (!URL.canParse(text)) return 'is not a URL';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return 'holds more than a base URL';
  if (url.protocol === 'https:') return null;
  return url.protocol === 'http:' && LOOPBACK.test(url.hostname)
    ? null
    : 'would send tokens in the clear: http is for loopback only';
}
