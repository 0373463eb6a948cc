/**
 * One POST over HTTP or HTTPS, bounded in time and size. node:https and not fetch: fetch takes another authority's
 * certificate only through undici's dispatcher, which Node does not export.
 *
 * Never follows a redirect: the credentials are meant for the configured address only.
 */
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { getCACertificates, rootCertificates } from 'node:tls';

export interface Exchange {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** From the first byte sent to the last received, ms. */
  readonly timeoutMs: number;
  /** Bytes. */
  readonly maxAnswerBytes: number;
}

export type ExchangeOutcome =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly location: string | undefined;
      readonly retryAfter: string | undefined;
      readonly text: string;
    }
  | { readonly kind: 'timed-out' }
  /** The answer began and did not end. */
  | { readonly kind: 'cut-short'; readonly bytes: number }
  | { readonly kind: 'too-large' }
  /** No connection, or it was lost before the answer began. `reset`: it had been there. */
  | { readonly kind: 'no-connection'; readonly message: string; readonly reset: boolean };

/** Sends requests over kept-alive connections, at most 4. */
export interface Exchanger {
  send(exchange: Exchange): Promise<ExchangeOutcome>;
}

/** `ca` is PEM to trust besides what Node trusts; undefined: nothing besides. */
export function openExchanger(ca: string | undefined): Exchanger {
  const options = { keepAlive: true, maxSockets: 4 };
  const plain = new HttpAgent(options);
  // Naming any authority replaces Node's own list.
  const secure = new HttpsAgent(ca === undefined ? options : { ...options, ca: [...trusted(), ca] });
  return { send: (exchange) => send(exchange, plain, secure) };
}

/** Node before 22.15 cannot tell what it trusts beyond the bundled list. */
function trusted(): readonly string[] {
  return typeof getCACertificates === 'function' ? getCACertificates('default') : rootCertificates;
}

function send(exchange: Exchange, plain: HttpAgent, secure: HttpsAgent): Promise<ExchangeOutcome> {
  const { url, body, timeoutMs, maxAnswerBytes } = exchange;
  const signal = AbortSignal.timeout(timeoutMs);
  const headers = { ...exchange.headers, 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve) => {
    const options = { method: 'POST', headers, signal };
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, agent: secure })
        : httpRequest(url, { ...options, agent: plain });
    request.once('error', (error: NodeJS.ErrnoException) => {
      if (signal.aborted) return resolve({ kind: 'timed-out' });
      const reset = error.code === 'ECONNRESET' || error.code === 'EPIPE';
      resolve({ kind: 'no-connection', message: explainError(error), reset });
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
          text: Buffer.concat(chunks).toString('utf8'),
        }),
      );
      response.once('error', () =>
        resolve(signal.aborted ? { kind: 'timed-out' } : { kind: 'cut-short', bytes }),
      );
    });
    request.end(body);
  });
}

/** Node's message, or its parts where every address of a name refused. */
function explainError(error: NodeJS.ErrnoException): string {
  const message = error instanceof AggregateError ? error.errors.map(String).join('; ') : error.message;
  const tls = /certificate|CERT_|self-signed/i.test(`${error.code ?? ''} ${error.message}`);
  return tls ? `${message} (is prometheus.caFile the authority that signed it?)` : message;
}
