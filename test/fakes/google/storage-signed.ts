/** What Google checks of a v4 signed URL before it gives the object: who signed, what for, and until when. */
import { createHash, createVerify } from 'node:crypto';

export interface SignedRequest {
  readonly method: string;
  /** As it came, percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface XmlRefusal {
  readonly status: 400 | 403 | 404;
  readonly code: string;
  readonly message: string;
  readonly details?: string;
}

/** How far in the future a signature may begin, as Google tolerates clocks. */
const SKEW_MS = 15 * 60_000;
const LONGEST_S = 7 * 24 * 3600;

export function isSigned(query: URLSearchParams): boolean {
  return query.has('X-Goog-Signature') || query.has('X-Goog-Algorithm');
}

/** undefined when the URL is good now. `publicKey` is PEM, of whoever may sign. */
export function refusalOfSigned(
  { method, path, query, headers }: SignedRequest,
  publicKey: string,
  now: number,
): XmlRefusal | undefined {
  const given = (name: string): string => query.get(name) ?? '';
  if (given('X-Goog-Algorithm') !== 'GOOG4-RSA-SHA256')
    return { status: 400, code: 'InvalidAlgorithm', message: 'The algorithm is not supported.' };
  const from = dateOf(given('X-Goog-Date'));
  const life = Number(given('X-Goog-Expires'));
  if (from === null || !(life > 0 && life <= LONGEST_S))
    return {
      status: 400,
      code: 'AuthorizationQueryParametersError',
      message: 'X-Goog-Expires is out of range.',
    };
  const scope = given('X-Goog-Credential').split('/').slice(1).join('/');
  if (scope !== `${given('X-Goog-Date').slice(0, 8)}/auto/storage/goog4_request`)
    return { status: 403, code: 'SignatureDoesNotMatch', message: 'Invalid credential scope.' };
  const names = given('X-Goog-SignedHeaders').split(';');
  if (!names.includes('host'))
    return { status: 403, code: 'SignatureDoesNotMatch', message: 'host must be signed.' };
  const canonicalQuery = [...query]
    .filter(([name]) => name !== 'X-Goog-Signature')
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join('&');
  const valueOf = (name: string): string => String(headers[name] ?? '').trim();
  // Google's library signs the host without its port; at Google itself there is none.
  const hosts = [valueOf('host').replace(/:\d+$/, ''), valueOf('host')];
  const good = hosts.some((host) => {
    const lines = names.map((name) => `${name}:${name === 'host' ? host : valueOf(name)}\n`).join('');
    const canonical = [method, path, canonicalQuery, lines, names.join(';'), 'UNSIGNED-PAYLOAD'].join('\n');
    const digest = createHash('sha256').update(canonical).digest('hex');
    const text = ['GOOG4-RSA-SHA256', given('X-Goog-Date'), scope, digest].join('\n');
    const signature = Buffer.from(given('X-Goog-Signature'), 'hex');
    return createVerify('RSA-SHA256').update(text).verify(publicKey, signature);
  });
  if (!good)
    return {
      status: 403,
      code: 'SignatureDoesNotMatch',
      message: 'Access denied.',
      details: 'The request signature we calculated does not match the signature you provided.',
    };
  if (now < from - SKEW_MS)
    return { status: 403, code: 'AccessDenied', message: 'Request is not yet valid.' };
  if (now > from + life * 1000)
    return {
      status: 400,
      code: 'ExpiredToken',
      message: 'Invalid argument.',
      details: `The provided token has expired. Request signature expired at: ${new Date(from + life * 1000).toISOString()}`,
    };
  return undefined;
}

export function xmlOf({ code, message, details }: XmlRefusal): string {
  const more = details === undefined ? '' : `<Details>${details}</Details>`;
  return `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>${message}</Message>${more}</Error>`;
}

function dateOf(text: string): number | null {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (parts === null) return null;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** RFC 3986, as signatures take it. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
