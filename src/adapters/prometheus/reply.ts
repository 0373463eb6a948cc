/** What one HTTP exchange with Prometheus means, and whether asking again can help. */
import type { PrometheusSettings } from '../../domain/connection.ts';
import { err, type Result, unreachable } from '../../domain/result.ts';
import type { MetricsError, RangeAnswer } from '../../ports/metrics.ts';
import { excerpt, parseRangeAnswer, readErrorText } from './answer.ts';
import { describeAuth } from './credentials.ts';
import type { ExchangeOutcome } from './exchange.ts';

export interface ReplyOptions {
  readonly auth: PrometheusSettings['auth'];
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
}

export interface Attempt {
  readonly result: Result<RangeAnswer, MetricsError>;
  /** Set where another attempt can help; `afterMs` is the backend's own wish. */
  readonly again?: { readonly afterMs: number };
}

/** Sorts what came of one exchange into an answer, or an error that says what to do. */
export function understand(outcome: ExchangeOutcome, options: ReplyOptions): Attempt {
  switch (outcome.kind) {
    case 'timed-out':
      return { result: unavailable(`no answer within ${options.timeoutMs} ms (prometheus.timeout)`) };
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

function byStatus(outcome: Extract<ExchangeOutcome, { kind: 'answered' }>, options: ReplyOptions): Attempt {
  const { status, text } = outcome;
  if (status === 200) return { result: parseRangeAnswer(text) };
  const words = readErrorText(text) ?? excerpt(text);
  if (status >= 300 && status < 400) {
    const to =
      outcome.location !== undefined && URL.canParse(outcome.location)
        ? new URL(outcome.location).origin
        : '';
    const message = `redirects (HTTP ${status}${to === '' ? '' : ` to ${to}`}), which is not followed: put the final address in prometheus.url`;
    return { result: err({ kind: 'rejected', message }) };
  }
  if (status === 401 || status === 403) {
    const message = `refused the credentials (HTTP ${status}), ${describeAuth(options.auth)}: ${words}`;
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

function unavailable(message: string): Result<never, MetricsError> {
  return err({ kind: 'unavailable', message });
}

function invalid(message: string): Result<never, MetricsError> {
  return err({ kind: 'invalid-answer', message });
}
