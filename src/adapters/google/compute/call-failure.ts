/** What it means when a call to Compute Engine fails. */

export interface CallFailure {
  readonly kind: /** Nobody is signed in. The message says what mends it. */
    | 'credentials'
    /** 403: the permission is missing. */
    | 'denied'
    /** 403: the API is not enabled in the project. */
    | 'disabled'
    | 'not-found'
    /** The question itself is refused. */
    | 'refused'
    /** Quota, a fault over there, no answer, or one that cannot be read: the same question may be answered later. */
    | 'passing';
  /** One line, without an end mark. */
  readonly message: string;
  readonly retryable: boolean;
}

/** Takes anything that the library throws. */
export function failureOf(cause: unknown): CallFailure {
  const status = numberOf(cause, 'httpStatusCode');
  const message = lineOf(cause);
  const as = (kind: CallFailure['kind']): CallFailure => ({
    kind,
    message: status === null ? message : `HTTP ${status}: ${message}`,
    retryable: kind === 'passing',
  });
  // Google's own errors are JSON; this is a proxy's page, and what it says of a project means nothing.
  if (status !== null && status < 500 && status !== 429 && /could not be decoded/.test(message))
    return as('refused');
  switch (status) {
    case 401: {
      const failure = as('credentials');
      return {
        ...failure,
        message: `Compute Engine does not take the token (${failure.message}); run: gcloud auth application-default login (or look at credentials.keyFile and the clock of this machine)`,
      };
    }
    case 403:
      // Compute Engine's older quotas answer 403; so does a `quota project` that may not be used, which lasts.
      if (/rate ?limit|quota.*exceeded|exceeded.*quota/i.test(message)) return as('passing');
      return as(
        /has not been used in project|is disabled|SERVICE_DISABLED/i.test(message) ? 'disabled' : 'denied',
      );
    case 404:
      return as('not-found');
    case 408:
    case 429:
      return as('passing');
    default:
      return as(status !== null && status >= 400 && status < 500 ? 'refused' : 'passing');
  }
}

function lineOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const line = text.split('\n', 1)[0]?.trim().slice(0, 300) ?? '';
  return line === '' ? 'no reason was given' : line.replace(/\.$/, '');
}

function numberOf(cause: unknown, key: string): number | null {
  if (typeof cause !== 'object' || cause === null || !(key in cause)) return null;
  const value = (cause as Record<string, unknown>)[key];
  return typeof value === 'number' ? value : null;
}
