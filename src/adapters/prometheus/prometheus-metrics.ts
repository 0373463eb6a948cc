/**
 * Prometheus (or Thanos, Mimir: whatever speaks its API) as the Metrics port.
 *
 * P1  Whatever does not come whole and as documented is an error, never an empty answer.
 * P2  Credentials are read at the moment of use, go to the configured address only, and stand in no message.
 * P3  At most 3 attempts a query, and only where another one can help: 429, 502, 503, 504, a lost connection. A timeout
 *     is not repeated: the next tick asks again.
 */

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { PrometheusSettings } from '../../domain/connection.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Metrics, MetricsError, RangeAnswer, RangeQuery } from '../../ports/metrics.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import { readCredentials } from './credentials.ts';
import { type ExchangeOutcome, type Exchanger, openExchanger } from './exchange.ts';
import { joinPieces, splitRange } from './pieces.ts';
import { type Attempt, understand } from './reply.ts';

export interface PrometheusOptions
  extends Pick<PrometheusSettings, 'auth' | 'caFile' | 'timeoutMs' | 'parameters'> {
  /** Base URL, asked for before every query: the sandbox's address is known only while it runs. */
  readonly url: () => Promise<Result<string, string>>;
  readonly secrets: SecretReader;
  readonly clock: Clock;
  /** Largest answer, bytes. Default 64 MiB: 300 hosts times 5,000 samples are about 40 MB. */
  readonly maxAnswerBytes?: number;
}

/** Pauses before the second and third attempt, ms. */
const RETRY_AFTER_MS = [200, 800] as const;

/** Longest pause that a backend may ask for with Retry-After, ms. */
const MAX_PAUSE_MS = 2_000;

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export function prometheusMetrics(options: PrometheusOptions): Metrics {
  const connect = connector(options.caFile);
  return {
    async range(query) {
      const pieces = splitRange(query);
      if (!pieces.ok) return pieces;
      const answers: RangeAnswer[] = [];
      for (const piece of pieces.value) {
        const answer = await askPatiently(options, connect, piece);
        if (!answer.ok) return answer;
        answers.push(answer.value);
      }
      return ok(joinPieces(answers));
    },
  };
}

type Connect = () => Promise<Result<Exchanger, MetricsError>>;

/** Reads the authority's file once; a failure is not remembered. */
function connector(caFile: string | undefined): Connect {
  let open: Exchanger | undefined;
  return async () => {
    if (open !== undefined) return ok(open);
    if (caFile === undefined) {
      open = openExchanger(undefined);
      return ok(open);
    }
    try {
      const pem = await readFile(caFile, 'utf8');
      // Only to say now, and by name, that it is no certificate.
      void new X509Certificate(pem).subject;
      open = openExchanger(pem);
      return ok(open);
    } catch (error) {
      return unavailable(
        `cannot use prometheus.caFile ${caFile} as a PEM certificate: ${(error as Error).message}`,
      );
    }
  };
}

async function askPatiently(
  options: PrometheusOptions,
  connect: Connect,
  query: RangeQuery,
): Promise<Result<RangeAnswer, MetricsError>> {
  for (let attempt = 0; ; attempt += 1) {
    const { result, again } = await ask(options, connect, query);
    const pause = RETRY_AFTER_MS[attempt];
    if (again === undefined || pause === undefined || again.afterMs > MAX_PAUSE_MS) return result;
    await options.clock.sleep(Math.max(pause, again.afterMs));
  }
}

async function ask(options: PrometheusOptions, connect: Connect, query: RangeQuery): Promise<Attempt> {
  const base = await options.url();
  if (!base.ok) return { result: unavailable(base.error) };
  const url = endpoint(base.value);
  if (!url.ok) return { result: url };
  const exchanger = await connect();
  if (!exchanger.ok) return { result: exchanger };
  const credentials = await readCredentials(options.auth, options.secrets);
  if (!credentials.ok) return { result: unavailable(`no credentials for prometheus: ${credentials.error}`) };

  const { secrets, headers } = credentials.value;
  const maxAnswerBytes = options.maxAnswerBytes ?? MAX_ANSWER_BYTES;
  const outcome = await exchanger.value.send({
    url: url.value,
    headers: { ...headers, accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: formBody(options, query),
    timeoutMs: options.timeoutMs,
    maxAnswerBytes,
  });
  const reply = { auth: options.auth, timeoutMs: options.timeoutMs, maxAnswerBytes };
  const attempt = understand(outcome, reply);
  if (attempt.result.ok) return attempt;
  // A proxy may repeat what we sent it: blotted out before anything is cut to an excerpt.
  const { result } = understand(blot(outcome, secrets), reply);
  const { kind } = attempt.result.error;
  const message = result.ok ? 'the answer was not understood' : result.error.message;
  return {
    ...attempt,
    result: err({ kind, message: `${url.value.origin}${url.value.pathname}: ${message}` }),
  };
}

function blot(outcome: ExchangeOutcome, secrets: readonly string[]): ExchangeOutcome {
  if (outcome.kind !== 'answered') return outcome;
  return { ...outcome, text: secrets.reduce((text, secret) => text.replaceAll(secret, '***'), outcome.text) };
}

function formBody({ parameters, timeoutMs }: PrometheusOptions, query: RangeQuery): string {
  const form = new URLSearchParams({
    query: query.query,
    start: (query.from / 1000).toFixed(3),
    end: (query.to / 1000).toFixed(3),
    step: String(query.stepMs / 1000),
    // So that the backend stops computing what nobody waits for any more.
    timeout: `${timeoutMs}ms`,
  });
  for (const [name, value] of Object.entries(parameters)) form.set(name, value);
  return form.toString();
}

function endpoint(base: string): Result<URL, MetricsError> {
  const url = URL.canParse(base) ? new URL(base) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return err({ kind: 'rejected', message: 'prometheus.url is no http:// or https:// address' });
  }
  if (url.username !== '' || url.password !== '') {
    return err({
      kind: 'rejected',
      message: 'prometheus.url holds credentials: name them under prometheus.auth',
    });
  }
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/api/v1/query_range`;
  url.search = '';
  url.hash = '';
  return ok(url);
}

function unavailable(message: string): Result<never, MetricsError> {
  return err({ kind: 'unavailable', message });
}
