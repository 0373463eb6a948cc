/** What one HTTP exchange with a backend means, and whether asking again can help. */
import type { HttpAuth } from '../../domain/connection.ts';
import { err, type Result, unreachable } from '../../domain/result.ts';
import type { MetricsError } from '../../ports/metrics.ts';
import { describeAuth } from './credentials.ts';
import type { ExchangeOutcome } from './exchange.ts';

export type Answered = Extract<ExchangeOutcome, { readonly kind: 'answered' }>;

/** How a backend's answers are read. */
export interface Reading<T> {
  /** Of an answer with status 200. */
  readonly read: (answer: Answered) => Result<T, MetricsError>;
  /** The backend's own words out of an answer with another status; undefined where it has none. */
  readonly words: (text: string) => string | undefined;
}

export interface ReplyOptions<T> extends Reading<T> {
  readonly auth: HttpAuth;
  /** Map of keys in the environment's file, such as `prometheus`. */
  readonly setting: string;
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
}

export interface Attempt<T> {
  readonly result: Result<T, MetricsError>;
  /** Set where another attempt can help; `afterMs` is the backend's own wish. */
  readonly again?: { readonly afterMs: number };
}

/** Sorts what came of one exchange into an answer, or an error that says what to do. */
export function understand<T>(outcome: ExchangeOutcome, options: ReplyOptions<T>): Attempt<T> {
  switch (outcome.kind) {
    case 'timed-out':
      return { result: unavailable(`no answer within ${options.timeoutMs} ms (${options.setting}.timeout)`) };
    case 'called-off':
      return { result: unavailable('called off') };
    case 'no-connection': {
      const result = unavailable(outcome.message);
      return outcome.reset ? { result, again: { afterMs: 0 } } : { result };
    }
    case 'cut-short':
      return { result: invalid(`the answer broke off after ${outcome.bytes} bytes`), again: { afterMs: 0 } };
    case 'too-large':
      return {
        result: invalid(`the answer is larger than ${options.maxAnswerBytes} bytes`),
      };
    case 'answered':
      return byStatus(outcome, options);
    default:
      return unreachable(outcome);
  }
}

function byStatus<T>(outcome: Answered, options: ReplyOptions<T>): Attempt<T> {
  const { status, text } = outcome;
  if (status === 200) return { result: options.read(outcome) };
  const words = options.words(text) ?? excerpt(text);
  if (status >= 300 && status < 400) {
    const to =
      outcome.location !== undefined && URL.canParse(outcome.location)
        ? new URL(outcome.location).origin
        : '';
    const message = `redirects (HTTP ${status}${to === '' ? '' : ` to ${to}`}), which is not followed: put the final address in ${options.setting}.url`;
    return { result: err({ kind: 'rejected', message }) };
  }
  if (status === 401 || status === 403) {
    const message = `refused the credentials (HTTP ${status}), ${describeAuth(options.auth, options.setting)}: ${words}`;
    return { result: err({ kind: 'rejected', message }) };
  }
  if (status === 429 || (status >= 502 && status <= 504)) {
    return {
      result: unavailable(`HTTP ${status}: ${words}`),
      again: { afterMs: retryAfterMs(outcome.retryAfter) },
    };
  }
  if (status >= 500) return { result: unavailable(`HTTP ${status}: ${words}`) };
  if (status >= 400) return { result: err({ kind: 'rejected', message: `HTTP ${status}: ${words}` }) };
  return { result: invalid(`HTTP ${status}: ${words}`) };
}

/** Seconds only: the date form is for planned downtime, which a query does not sit out. */
function retryAfterMs(header: string | undefined): number {
  return header !== undefined && /^\d{1,6}$/.test(header.trim()) ? Number(header) * 1000 : 0;
}

/** The beginning of a text that was not understood, on one line. */
export function excerpt(text: string): string {
  const line = text.slice(0, 400).replaceAll(/\s+/g, ' ').trim();
  if (line === '') return 'an empty body';
  if (/^<(!doctype|html|head|\?xml)/i.test(line)) {
    const title = /<title[^>]*>([^<]*)<\/title>/i.exec(line)?.[1]?.trim();
    return title === undefined ? 'an HTML page' : `an HTML page (${JSON.stringify(title)})`;
  }
  return JSON.stringify(line.slice(0, 120));
}

/** Any value out of an answer, short, for a message. */
export function show(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 80);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function unavailable(message: string): Result<never, MetricsError> {
  return err({ kind: 'unavailable', message });
}

export function invalid(message: string): Result<never, MetricsError> {
  return err({ kind: 'invalid-answer', message });
}

export function notUnderstood(message: string): Result<never, MetricsError> {
  return invalid(`answer not understood: ${message}`);
}
