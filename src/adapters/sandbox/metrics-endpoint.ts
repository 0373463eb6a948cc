/**
 * An HTTP endpoint that answers `/api/v1/query_range` as Prometheus does, for the queries of the built-in gates over the
 * embedded agents. It recognises what is asked by the metric's name and knows no PromQL beyond that: a stand-in.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AgentSamples, Measure } from './agent-samples.ts';

/** Most bytes of a request body: a wave's host names. */
const MOST_BODY = 4 * 1024 * 1024;

/** Prometheus' own limit of points a series. */
const MOST_POINTS = 11_000;

export interface MetricsEndpoint {
  readonly url: string;
  close(): Promise<void>;
}

export function serveMetrics(samples: AgentSamples, hosts: readonly string[]): Promise<MetricsEndpoint> {
  const server = createServer((request, response) => {
    // A question that makes no sense ends its own connection, not the fleet.
    answer(request, response, samples, hosts).catch(() => response.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      resolve({
        url: `http://127.0.0.1:${port}`,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  samples: AgentSamples,
  hosts: readonly string[],
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1');
  const send = (status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  if (url.pathname === '/-/pid') return send(200, { pid: process.pid });
  if (url.pathname !== '/api/v1/query_range')
    return send(404, { status: 'error', error: 'only /api/v1/query_range' });
  const form = request.method === 'POST' ? new URLSearchParams(await readBody(request)) : url.searchParams;
  const query = form.get('query') ?? '';
  const measure = measureOf(query);
  const matcher = /(\w+)=~"((?:[^"\\]|\\.)*)"/u.exec(query);
  if (measure === null || matcher === null) {
    const error = 'the sandbox answers the built-in gates only; see rollout config reference';
    return send(400, { status: 'error', errorType: 'bad_data', error });
  }
  const [start, end, step] = ['start', 'end', 'step'].map((name) => seconds(form.get(name)));
  if (
    start === undefined ||
    end === undefined ||
    step === undefined ||
    step <= 0 ||
    (end - start) / step > MOST_POINTS
  ) {
    return send(400, { status: 'error', errorType: 'bad_data', error: 'start, end or step cannot be used' });
  }
  const label = matcher[1] ?? 'fqdn';
  const wanted = new RegExp(`^(?:${JSON.parse(`"${matcher[2] ?? ''}"`) as string})$`, 'u');
  const windowMs = windowOf(query);
  const result = hosts
    .filter((host) => wanted.test(host))
    .map((host) => ({
      metric: { [label]: host },
      values: valuesOf(samples, host, { measure, windowMs, start, end, step }),
    }))
    .filter((series) => series.values.length > 0);
  return send(200, { status: 'success', data: { resultType: 'matrix', result } });
}

interface Asked {
  readonly measure: Measure;
  readonly windowMs: number;
  /** Seconds since the epoch, as Prometheus has them. */
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

function valuesOf(
  samples: AgentSamples,
  host: string,
  { measure, windowMs, start, end, step }: Asked,
): [number, string][] {
  const values: [number, string][] = [];
  for (let at = start; at <= end + 1e-6; at += step) {
    const value = samples.value(host, measure, at * 1000, windowMs);
    if (value !== undefined) values.push([at, String(value)]);
  }
  return values;
}

function measureOf(query: string): Measure | null {
  // These two first: their queries also look at num_procs.
  if (query.includes('ALERTS{')) return 'alerts';
  if (query.includes('node_schedstat_waiting')) return 'run-queue';
  if (query.includes('_cpu_')) return 'cpu';
  if (query.includes('_memory_bytes')) return 'memory';
  if (query.includes('_start_time_seconds')) return 'restarts';
  return query.includes('_num_procs') ? 'processes' : null;
}

/** The look-back in the query's brackets, ms. */
function windowOf(query: string): number {
  const found = /\[(\d+)(ms|s|m|h)\]/u.exec(query);
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[found?.[2] ?? 's'] ?? 1_000;
  return found === null ? 5_000 : Number(found[1]) * unit;
}

function seconds(text: string | null): number | undefined {
  const value = text === null || text === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MOST_BODY) break;
  }
  return text;
}
