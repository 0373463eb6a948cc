/**
 * Prometheus' HTTP API on loopback, in front of any Metrics: it can show whatever a real one, or the proxy before it, shows
 * on a bad day.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Metrics, RangeAnswer } from '../../src/ports/metrics.ts';

export type PrometheusMood =
  | { readonly kind: 'well' }
  /** Answers with this status and body, whatever was asked. */
  | {
      readonly kind: 'says';
      readonly status: number;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Repeats the Authorization header in its refusal, as a careless proxy does. */
  | { readonly kind: 'echoes-credentials' }
  /** Takes the question and says nothing. */
  | { readonly kind: 'silent' }
  /** Closes the connection before it answers. */
  | { readonly kind: 'resets' }
  /** Begins a right answer and stops halfway, with or without having said how long it is. */
  | { readonly kind: 'truncates'; readonly length: 'declared' | 'chunked' | 'until-close' };

export interface AskedQuery {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  /** Only where one was sent. */
  readonly tenant?: string;
  readonly form: Readonly<Record<string, string>>;
}

export interface FakePrometheus {
  readonly url: string;
  /** How it behaves from the next request on; the last mood stays. */
  moods: PrometheusMood[];
  readonly asked: AskedQuery[];
  close(): Promise<void>;
}

export interface FakePrometheusOptions {
  readonly metrics: Metrics;
  /** The Authorization header it wants; absent: none. */
  readonly authorization?: string;
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** Points a series that Prometheus refuses to go beyond. */
const MAX_POINTS = 11_000;

export async function startPrometheus(options: FakePrometheusOptions): Promise<FakePrometheus> {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    void serve(request, response);
  };
  const server = options.tls === undefined ? createServer(answer) : createTlsServer(options.tls, answer);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const fake: FakePrometheus = {
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    moods: [{ kind: 'well' }],
    asked: [],
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  return fake;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = Object.fromEntries(new URLSearchParams(await bodyOf(request)));
    const { authorization } = request.headers;
    const tenant = request.headers['x-scope-orgid'];
    const whose = typeof tenant === 'string' ? { tenant } : {};
    fake.asked.push({ method: request.method ?? '', path: request.url ?? '', authorization, ...whose, form });
    const mood = (fake.moods.length > 1 ? fake.moods.shift() : fake.moods[0]) ?? { kind: 'well' };
    switch (mood.kind) {
      case 'silent':
        return;
      case 'resets':
        request.socket.resetAndDestroy();
        return;
      case 'says':
        response.writeHead(mood.status, mood.headers).end(mood.body);
        return;
      case 'echoes-credentials':
        response
          .writeHead(403)
          .end(`<html>${'x'.repeat(90)} ${authorization}</html>`.replaceAll('html', 'p'));
        return;
      case 'truncates':
      case 'well': {
        const { status, body } = await rightAnswer(form, authorization, request);
        if (mood.kind === 'well')
          response.writeHead(status, { 'content-type': 'application/json' }).end(body);
        else truncate(response, body, mood.length);
        return;
      }
      default:
        mood satisfies never;
    }
  }

  async function rightAnswer(
    form: Readonly<Record<string, string>>,
    authorization: string | undefined,
    request: IncomingMessage,
  ): Promise<{ readonly status: number; readonly body: string }> {
    if (authorization !== options.authorization) return { status: 401, body: 'Unauthorized\n' };
    if (request.method !== 'POST' || request.url !== '/api/v1/query_range') {
      return { status: 404, body: '404 page not found\n' };
    }
    const { from, to, stepMs } = {
      from: Math.round(Number(form['start']) * 1000),
      to: Math.round(Number(form['end']) * 1000),
      stepMs: Math.round(Number(form['step']) * 1000),
    };
    if (!(stepMs > 0) || !(to >= from)) return refusal('invalid parameter "step" or "end"');
    if ((to - from) / stepMs > MAX_POINTS)
      return refusal('exceeded maximum resolution of 11,000 points per timeseries');
    const result = await options.metrics.range({ query: form['query'] ?? '', from, to, stepMs });
    if (result.ok) return { status: 200, body: JSON.stringify(apiShape(result.value)) };
    if (result.error.kind === 'rejected') return refusal(result.error.message.replace(/^bad_data: /, ''));
    return { status: 503, body: 'Service Unavailable' };
  }
}

function refusal(error: string): { readonly status: number; readonly body: string } {
  return { status: 400, body: JSON.stringify({ status: 'error', errorType: 'bad_data', error }) };
}

function truncate(
  response: ServerResponse,
  body: string,
  length: 'declared' | 'chunked' | 'until-close',
): void {
  const half = body.slice(0, Math.floor(body.length / 2));
  if (length === 'until-close') {
    response.socket?.end(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${half}`);
    return;
  }
  response.writeHead(200, length === 'declared' ? { 'content-length': Buffer.byteLength(body) } : {});
  // Gone as soon as the half has left.
  response.write(half, () => response.socket?.end());
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries */
function apiShape(answer: RangeAnswer): unknown {
  return {
    status: 'success',
    data: {
      resultType: 'matrix',
      result: answer.series.map(({ labels, samples }) => ({
        metric: labels,
        values: samples.map(({ at, value }) => [at / 1000, numberText(value)]),
      })),
    },
    ...(answer.warnings.length === 0 ? {} : { warnings: answer.warnings }),
  };
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}
