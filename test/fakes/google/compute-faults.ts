/** What a request to the fake can meet instead of its answer. */
import type { ServerResponse } from 'node:http';

export type Fault =
  /** Google's JSON error with this status and reason, such as 429 `rateLimitExceeded`. */
  | {
      readonly kind: 'error';
      readonly status: number;
      readonly reason?: string;
      readonly message?: string;
      readonly retryAfterS?: number;
    }
  /** An error page that is not Google's API, as a proxy sends it. */
  | { readonly kind: 'html'; readonly status: number }
  /** The work is done, and the connection ends before a byte of the answer. */
  | { readonly kind: 'lost-reply' }
  /** Half of the body, of a length that was announced. */
  | { readonly kind: 'truncated' }
  /** 200 with half of the body, and its length as if that were all. */
  | { readonly kind: 'cut-short' }
  /** 200 without a body. */
  | { readonly kind: 'empty' }
  /** 200 with this body. */
  | { readonly kind: 'body'; readonly body: string }
  /** Takes the question and says nothing. */
  | { readonly kind: 'silent' }
  /** The right answer, late. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** The right page, whose next page is itself. */
  | { readonly kind: 'repeated-token' };

export interface FaultRule {
  readonly match: RegExp;
  readonly what: Fault;
  times: number;
}

interface Said {
  readonly status: number;
  readonly body: string;
}

const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

/** An error as Compute Engine words it: with `errors[].reason`, and with a status name only in newer ones. */
export function googleError(code: number, reason: string, message: string): Said {
  const status = STATUS_NAMES[code];
  return {
    status: code,
    body: JSON.stringify({
      error: {
        code,
        message,
        errors: [{ message, domain: 'global', reason }],
        ...(status === undefined || code < 401 ? {} : { status }),
      },
    }),
  };
}

export async function failWith(
  fault: Exclude<Fault, { kind: 'repeated-token' }>,
  response: ServerResponse,
  said: Said,
): Promise<void> {
  const json = { 'content-type': 'application/json; charset=UTF-8' };
  const half = Buffer.from(said.body).subarray(0, Math.floor(said.body.length / 2));
  switch (fault.kind) {
    case 'error': {
      const { status, reason = 'backendError', message = `Something went wrong (${reason})` } = fault;
      const wait = fault.retryAfterS === undefined ? {} : { 'retry-after': String(fault.retryAfterS) };
      response.writeHead(status, { ...json, ...wait }).end(googleError(status, reason, message).body);
      return;
    }
    case 'html':
      response
        .writeHead(fault.status, { 'content-type': 'text/html' })
        .end('<!DOCTYPE html><html><title>Error</title><p>That is an error.</html>');
      return;
    case 'lost-reply':
      response.destroy();
      return;
    case 'truncated':
      response.writeHead(200, { ...json, 'content-length': Buffer.byteLength(said.body) });
      response.write(half, () => response.destroy());
      return;
    case 'cut-short':
      response.writeHead(200, { ...json, 'content-length': half.length }).end(half);
      return;
    case 'empty':
      response.writeHead(200, { ...json, 'content-length': 0 }).end();
      return;
    case 'body':
      response.writeHead(200, json).end(fault.body);
      return;
    case 'silent':
      return;
    case 'slow':
      await new Promise((resolve) => setTimeout(resolve, fault.ms));
      response.writeHead(said.status, json).end(said.body);
  }
}
