/**
 * Questions to one backend over HTTP, for the adapters of whatever answers with numbers or a word.
 *
 * H1  Credentials are read at the moment of use, go to the configured address only, and stand in no message.
 * H2  At most 3 attempts a question, and only where another one can help: 429, 502, 503, 504, a lost connection. A timeout
 *     is not repeated: the next evaluation asks again.
 * H3  Whatever does not come whole is an error, never an empty answer.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { HttpAuth } from '../../domain/connection.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { MetricsError } from '../../ports/metrics.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import { readCredentials } from './credentials.ts';
import type { ExchangeOutcome, Exchanger } from './exchange.ts';
import { type Attempt, type Reading, unavailable, understand } from './reply.ts';

export interface AskerOptions {
  readonly auth: HttpAuth;
  /** PEM file of an authority to trust besides the system's. */
  readonly caFile?: string;
  /** Of one exchange, ms. */
  readonly timeoutMs: number;
  /** Largest answer, bytes. */
  readonly maxAnswerBytes: number;
  /** Map of keys in the environment's file that configures all this, such as `prometheus`; for messages. */
  readonly setting: string;
  readonly secrets: SecretReader;
  readonly clock: Clock;
}

/** A question that may be repeated. */
export interface HttpQuestion {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

export interface Asker {
  ask<T>(question: HttpQuestion, reading: Reading<T>): Promise<Result<T, MetricsError>>;
}

/** Pauses before the second and third attempt, ms. */
const RETRY_AFTER_MS = [200, 800] as const;

/** Longest pause that a backend may ask for with Retry-After, ms. */
const MAX_PAUSE_MS = 2_000;

export function openAsker(options: AskerOptions): Asker {
  const connect = connector(options);
  return {
    async ask(question, reading) {
      for (let attempt = 0; ; attempt += 1) {
        const { result, again } = await askOnce(options, connect, question, reading);
        const pause = RETRY_AFTER_MS[attempt];
        if (again === undefined || pause === undefined || again.afterMs > MAX_PAUSE_MS) return result;
        await options.clock.sleep(Math.max(pause, again.afterMs), question.signal);
        if (question.signal?.aborted === true) return result;
      }
    },
  };
}

/** The address of one of a backend's paths, such as `/api/v1/query_range`, below its base URL; with an empty one the URL itself. */
export function endpointOf(base: string, path: string, setting: string): Result<URL, MetricsError> {
  const url = URL.canParse(base) ? new URL(base) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return err({ kind: 'rejected', message: `${setting}.url is no http:// or https:// address` });
  }
  if (url.username !== '' || url.password !== '') {
    const message = `${setting}.url holds credentials: name them under ${setting} with username and passwordEnv`;
    return err({ kind: 'rejected', message });
  }
  if (path !== '') url.pathname = `${url.pathname.replace(/\/+$/, '')}${path}`;
  url.search = '';
  url.hash = '';
  return ok(url);
}

type Connect = () => Promise<Result<Exchanger, MetricsError>>;

/** Reads the authority's file once; a failure is not remembered. Node's HTTP takes 30 ms to load, which those pay who ask. */
function connector({ caFile, setting: part }: AskerOptions): Connect {
  const setting = `${part}.caFile`;
  let open: Exchanger | undefined;
  return async () => {
    if (open !== undefined) return ok(open);
    const { openExchanger } = await import('./exchange.ts');
    if (caFile === undefined) {
      open ??= openExchanger({ pem: undefined, setting });
      return ok(open);
    }
    try {
      const pem = await readFile(caFile, 'utf8');
      // Only to say now, and by name, that it is no certificate.
      void new X509Certificate(pem).subject;
      open = openExchanger({ pem, setting });
      return ok(open);
    } catch (error) {
      return unavailable(`cannot use ${setting} ${caFile} as a PEM certificate: ${(error as Error).message}`);
    }
  };
}

async function askOnce<T>(
  options: AskerOptions,
  connect: Connect,
  question: HttpQuestion,
  reading: Reading<T>,
): Promise<Attempt<T>> {
  const { auth, setting, timeoutMs, maxAnswerBytes } = options;
  const exchanger = await connect();
  if (!exchanger.ok) return { result: exchanger };
  const credentials = await readCredentials(auth, options.secrets);
  if (!credentials.ok) return { result: unavailable(`no credentials for ${setting}: ${credentials.error}`) };

  const { secrets, headers } = credentials.value;
  const { method, url, body = '', signal } = question;
  const outcome = await exchanger.value.send({
    method,
    url,
    headers: { accept: 'application/json', ...question.headers, ...headers },
    body,
    timeoutMs,
    maxAnswerBytes,
    ...(signal === undefined ? {} : { signal }),
  });
  const reply = { ...reading, auth, setting, timeoutMs, maxAnswerBytes };
  const attempt = understand(outcome, reply);
  if (attempt.result.ok) return attempt;
  // A proxy may repeat what we sent it: blotted out before anything is cut to an excerpt.
  const { result } = understand(blot(outcome, secrets), reply);
  const { kind } = attempt.result.error;
  const message = result.ok ? 'the answer was not understood' : result.error.message;
  return { ...attempt, result: err({ kind, message: `${url.origin}${url.pathname}: ${message}` }) };
}

function blot(outcome: ExchangeOutcome, secrets: readonly string[]): ExchangeOutcome {
  if (outcome.kind !== 'answered') return outcome;
  return { ...outcome, text: secrets.reduce((text, secret) => text.replaceAll(secret, '***'), outcome.text) };
}
