/**
 * Stands between the program under test and a Prometheus, and does what happens to one on a bad day. Only what goes through it is
 * disturbed: other scenarios ask the same Prometheus directly.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type ProxyMode =
  | { readonly kind: 'pass' }
  /** Whole answers, so much later. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** Takes the request and never answers. */
  | { readonly kind: 'hang' }
  /** Lies: success, and no series at all. */
  | { readonly kind: 'empty' }
  /** What the Prometheus says, with a warning that it is not whole. */
  | { readonly kind: 'partial' }
  /** Connections are refused. */
  | { readonly kind: 'down' }
  /** 200 and the page of a login. */
  | { readonly kind: 'html' }
  | { readonly kind: 'status'; readonly status: number };

export interface ProxiedRequest {
  readonly at: number;
  readonly path: string;
  /** Of the form or the address; null: it had none. */
  readonly query: string | null;
}

const PASS: ProxyMode = { kind: 'pass' };

export class PrometheusProxy {
  /** Every request that arrived, oldest first. */
  readonly requests: ProxiedRequest[] = [];
  readonly #target: string;
  #server: Server | undefined;
  #mode: ProxyMode = PASS;
  #port = 0;

  private constructor(target: string) {
    this.#target = target;
  }

  /** `target` without `/api/v1`, as the proxy's own `url` is. */
  static async start(target: string): Promise<PrometheusProxy> {
    const proxy = new PrometheusProxy(target);
    await proxy.#listen();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** From now on; what is being answered is cut off by `down` only. */
  async set(mode: ProxyMode): Promise<void> {
    this.#mode = mode;
    if (mode.kind === 'down') await this.close();
    else if (this.#server === undefined) await this.#listen();
  }

  /** Also ends what hangs. May be called twice. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => {
      server.close(resolve);
    });
    server.closeAllConnections();
    await closed;
  }

  async #listen(): Promise<void> {
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(502);
        response.end(String(error));
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await textOf(request);
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url);
    const query = new URLSearchParams(body).get('query') ?? searchParams.get('query');
    this.requests.push({ at: Date.now(), path: pathname, query });
    const mode = this.#mode;
    switch (mode.kind) {
      case 'hang':
        return;
      case 'html':
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html><title>Sign in</title></html>');
        return;
      case 'status':
        response.writeHead(mode.status, { 'content-type': 'text/plain' }).end('not today');
        return;
      case 'empty': {
        const resultType = pathname.endsWith('_range') ? 'matrix' : 'vector';
        json(response, { status: 'success', data: { resultType, result: [] } });
        return;
      }
      case 'down':
        response.destroy();
        return;
      default:
    }
    if (mode.kind === 'slow') await sleep(mode.ms);
    const answer = await fetch(`${this.#target}${request.url ?? '/'}`, {
      method: request.method ?? 'GET',
      headers: { 'content-type': request.headers['content-type'] ?? 'application/x-www-form-urlencoded' },
      ...(body === '' ? {} : { body }),
    });
    const text = await answer.text();
    if (mode.kind === 'partial')
      json(response, { ...JSON.parse(text), warnings: ['a store did not answer'] });
    else
      response
        .writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' })
        .end(text);
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
