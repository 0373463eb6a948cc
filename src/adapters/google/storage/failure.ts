/** What Google's storage library throws, as an ObjectError with its mend. */
import type { ObjectError } from './objects.ts';

export interface Failure {
  readonly error: ObjectError;
  /** How long the server asks to wait, ms. */
  readonly retryAfterMs?: number;
}

/** Where it happened, for the message. */
export interface Where {
  readonly bucket: string;
  /** `gs://bucket/prefix`, or the object's full address. */
  readonly what: string;
  /** Such as `read`, `write`. */
  readonly verb: string;
  /** Project named to pay for requests. */
  readonly project?: string;
  /** No object is asked for by name, so that 404 can only mean the bucket. */
  readonly ofBucket?: boolean;
}

/** The longest wait that a server's Retry-After is obeyed for, ms. */
const LONGEST_WAIT_MS = 30_000;

/** The narrowest predefined role for each permission that is used. */
const ROLES: Readonly<Record<string, string>> = {
  'storage.objects.get': 'roles/storage.objectViewer',
  'storage.objects.list': 'roles/storage.objectViewer',
  'storage.objects.create': 'roles/storage.objectCreator',
};
const WRITER = 'roles/storage.objectUser';

export function failureOf(cause: unknown, where: Where): Failure {
  const status = statusOf(cause);
  const text = textOf(cause);
  const failed = `cannot ${where.verb} ${where.what}`;
  const denied = (why: string): Failure => ({ error: { kind: 'denied', message: `${failed}: ${why}` } });
  const unavailable = (why: string, retryable: boolean): Failure => {
    const retryAfterMs = retryAfterOf(cause);
    return {
      error: { kind: 'unavailable', message: `${failed}: ${why}`, retryable },
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    };
  };
  if (status === null || status < 300) return unavailable(`no whole answer (${text})`, true);
  if (status === 412 || status === 304)
    return { error: { kind: 'precondition', message: `${failed}: it has changed, or exists already` } };
  if (status === 404) return missing(where, text, failed);
  if (status === 403 && /rateLimitExceeded|quotaExceeded|rate limit/i.test(text + reasonOf(cause)))
    return unavailable('too many requests (HTTP 403)', true);
  if (status === 408 || status === 429 || status >= 500)
    return unavailable(`${status === 429 ? 'too many requests' : 'out of order'} (HTTP ${status})`, true);
  if (status === 400 && /doesn't match calculated/.test(text))
    return unavailable('the bytes were damaged on their way', true);
  if (status === 400 && /requester pays/i.test(text))
    return denied(
      'whoever asks pays for this bucket; set `project` beside `bucket` to the project that pays',
    );
  if (/billing account/i.test(text) || reasonOf(cause) === 'accountDisabled')
    return denied(
      `billing is disabled for the bucket's project; look at: gcloud billing projects describe PROJECT`,
    );
  if (status === 403 || status === 401) return denied(refusalOf(status, text, where));
  return unavailable(`HTTP ${status}: ${text}`, false);
}

function missing({ bucket, project, ofBucket }: Where, text: string, failed: string): Failure {
  // In the words of Google, and of its test bench. An object's name may hold any word.
  const noBucket =
    ofBucket === true || /specified bucket does not exist|\bBucket \S+ does not exist/.test(text);
  if (!noBucket) return { error: { kind: 'not-found', message: `${failed}: it is not there` } };
  return {
    error: {
      kind: 'unavailable',
      retryable: false,
      message:
        `${failed}: there is no bucket ${bucket}${project === undefined ? '' : ` (project ${project} pays)`}; correct ` +
        `\`bucket\`, or make it: gcloud storage buckets create gs://${bucket} --project=PROJECT --uniform-bucket-level-access`,
    },
  };
}

function refusalOf(status: 401 | 403, text: string, { bucket, project }: Where): string {
  if (status === 401)
    return /anonymous/i.test(text)
      ? 'the request came without credentials; run: gcloud auth application-default login'
      : `Google does not accept the credentials' token (HTTP 401); run: gcloud auth application-default login (or look at credentials.keyFile)`;
  if (/retention|object hold|legal hold/i.test(text))
    return `the bucket's retention policy forbids to overwrite or delete it yet: ${text}`;
  const who = /(\S+@\S+) does not have/.exec(text)?.[1];
  if (/serviceusage\.services\.use/.test(text))
    return `${who ?? 'these credentials'} may not have ${project ?? 'the project'} pay; grant it: gcloud projects add-iam-policy-binding ${project ?? 'PROJECT'} --member=${memberOf(who)} --role=roles/serviceusage.serviceUsageConsumer`;
  if (/security policy|organization'?s policy|VPC Service Controls|vpcServiceControls/i.test(text))
    return `a policy of the organization forbids it: ${text}`;
  const permission = /\b(storage\.[a-zA-Z]+\.[a-zA-Z]+)\b/.exec(text)?.[1];
  const role = permission === undefined ? WRITER : (ROLES[permission] ?? WRITER);
  return (
    `${who ?? 'these credentials'} lack${who === undefined ? '' : 's'} ${permission ?? 'a permission'} (HTTP 403); grant it: ` +
    `gcloud storage buckets add-iam-policy-binding gs://${bucket} --member=${memberOf(who)} --role=${role}`
  );
}

function memberOf(who: string | undefined): string {
  if (who === undefined) return 'MEMBER';
  return who.endsWith('gserviceaccount.com') ? `serviceAccount:${who}` : `user:${who}`;
}

/** The library gives the HTTP status as `code`, sometimes as text, sometimes only in the response. */
export function statusOf(cause: unknown): number | null {
  if (typeof cause !== 'object' || cause === null) return null;
  const { code, status, response } = cause as {
    code?: unknown;
    status?: unknown;
    response?: { status?: unknown; statusCode?: unknown };
  };
  for (const each of [code, status, response?.status, response?.statusCode]) {
    const number = typeof each === 'string' && /^\d{3}$/.test(each) ? Number(each) : each;
    if (typeof number === 'number' && number >= 100 && number <= 599) return number;
  }
  return null;
}

/** One line, without the query of a URL: an upload's holds the right to go on with it. */
function textOf(cause: unknown): string {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
  const message = (cause instanceof Error ? cause.message : String(cause)).trim();
  const line = message
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\?[^\s"']*/g, '')
    .slice(0, 300);
  return line === '' ? code || 'no reason given' : line;
}

function reasonOf(cause: unknown): string {
  const { errors } = (cause ?? {}) as { errors?: readonly { readonly reason?: unknown }[] };
  return Array.isArray(errors) ? String(errors[0]?.reason ?? '') : '';
}

function retryAfterOf(cause: unknown): number | null {
  const { response } = (cause ?? {}) as { response?: { headers?: unknown } };
  const seconds = Number(headerOf(response?.headers, 'retry-after') ?? Number.NaN);
  return seconds >= 0 ? Math.min(seconds * 1000, LONGEST_WAIT_MS) : null;
}

/** Of a plain object, or of what fetch gives. */
export function headerOf(headers: unknown, name: string): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  if (headers instanceof Headers) return headers.get(name) ?? undefined;
  const value = (headers as Readonly<Record<string, unknown>>)[name];
  return typeof value === 'string' ? value : undefined;
}
