/**
 * One request over HTTP or HTTPS, bounded in time and size. node:https and not fetch: fetch takes another authority's
 * certificate only through undici's dispatcher, which Node does not export.
 *
 * Never follows a redirect: the credentials are meant for the configured address only.
 */
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { getCACertificates, rootCertificates } from 'node:tls';

export interface Exchange {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty with GET. */
  readonly body: string;
  /** From the first byte sent to the last received, ms. */
  readonly timeoutMs: number;
  /** Bytes. */
  readonly maxAnswerBytes: number;
  /** Ends the exchange at once. Aborted by `AbortSignal.timeout` it counts as a timeout. */
  readonly signal?: AbortSignal;
}

export type ExchangeOutcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly location: string | undefined;
      readonly retryAfter: string | undefined;
      /** Its Date header: the clock of who answered. */
      readonly date: string | undefined;
      readonly text: string;
    }
  | { readonly kind: 'timed-out' | 'called-off' }
  /** The answer began and did not end. */
  | { readonly kind: 'cut-short'; readonly bytes: number }
  | { readonly kind: 'too-large' }
  /** No connection, or it was lost before the answer began. `reset`: it had been there. */
  | { readonly kind: 'no-connection'; readonly message: string; readonly reset: boolean };

/** Sends requests over kept-alive connections, at most 4. */
export interface Exchanger {
  send(exchange: Exchange): Promise<ExchangeOutcome>;
}

/** `pem`: authorities to trust besides what Node trusts; undefined: nothing besides. `setting` names where they are configured. */
export function openExchanger(ca: { readonly pem: string | undefined; readonly setting: string }): Exchanger {
  const options = { keepAlive: true, maxSockets: 4 };
  const plain = new HttpAgent(options);
  // Naming any authority replaces Node's own list.
  const secure = new HttpsAgent(ca.pem === undefined ? options : { ...options, ca: [...trusted(), ca.pem] });
  return { send: (exchange) => send(exchange, { plain, secure, setting: ca.setting }) };
}

/** Node before 22.15 cannot tell what it trusts beyond the bundled list. */
function trusted(): readonly string[] {
  return typeof getCACertificates === 'function' ? getCACertificates('default') : rootCertificates;
}

interface Agents {
  readonly plain: HttpAgent;
  readonly secure: HttpsAgent;
  readonly setting: string;
}

function send(exchange: Exchange, { plain, secure, setting }: Agents): Promise<ExchangeOutcome> {
  const { method, url, body, timeoutMs, maxAnswerBytes } = exchange;
  const late = AbortSignal.timeout(timeoutMs);
  const signal = exchange.signal === undefined ? late : AbortSignal.any([exchange.signal, late]);
  const headers =
    method === 'GET'
      ? exchange.headers
      : { ...exchange.headers, 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve) => {
    const options = { method, headers, signal };
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, agent: secure })
        : httpRequest(url, { ...options, agent: plain });
    request.once('error', (error: NodeJS.ErrnoException) => {
      if (signal.aborted) return resolve(whyAborted(signal));
      const reset = error.code === 'ECONNRESET' || error.code === 'EPIPE';
      resolve({ kind: 'no-connection', message: explainError(error, setting), reset });
    });
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxAnswerBytes) {
          resolve({ kind: 'too-large' });
          request.destroy();
        } else chunks.push(chunk);
      });
      response.once('end', () =>
        resolve({
          kind: 'answered',
          status: response.statusCode ?? 0,
          location: response.headers.location,
          retryAfter: response.headers['retry-after'],
          date: response.headers.date,
          text: Buffer.concat(chunks).toString('utf8'),
        }),
      );
      response.once('error', () =>
        resolve(signal.aborted ? whyAborted(signal) : { kind: 'cut-short', bytes }),
      );
    });
    request.end(method === 'GET' ? undefined : body);
  });
}

function whyAborted({ reason }: AbortSignal): ExchangeOutcome {
  return { kind: reason instanceof Error && reason.name === 'TimeoutError' ? 'timed-out' : 'called-off' };
}

/** Node's message, or its parts where every address of a name refused. */
function explainError(error: NodeJS.ErrnoException, setting: string): string {
  const message = error instanceof AggregateError ? error.errors.map(String).join('; ') : error.message;
  const tls = /certificate|CERT_|self-signed/i.test(`${error.code ?? ''} ${error.message}`);
  return tls ? `${message} (is ${setting} the authority that signed it?)` : message;
}
