/**
 * Cloud Storage on loopback: the JSON API as Google's client library speaks it, and GET by v4 signed URL as hosts do.
 *
 * F1  Strongly consistent, as Google is, but for what a fault says.
 * F2  Every request needs a token that the fake of Google's sign-in gave (identity.ts), but the chunks of a resumable upload, whose
 *     URL is the right to go on, and signed URLs, whose signature is checked.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { principalOf } from './identity.ts';
import type { Answer, World } from './storage-answer.ts';
import { answerTo } from './storage-api.ts';
import { type FaultKind, Faults, type Operation, type StorageFault } from './storage-faults.ts';
import { type Asked, routeOf } from './storage-routes.ts';
import { type BucketSettings, FakeBucket } from './storage-state.ts';

export interface StorageServerOptions {
  readonly buckets?: readonly BucketSettings[];
  /** Default 127.0.0.1, and a free port. */
  readonly listen?: string;
  readonly port?: number;
  /** PEM by the e-mail address of who may sign URLs. */
  readonly publicKeys?: Readonly<Record<string, string>>;
  /** The server's clock, ms since the epoch. Default the machine's. */
  readonly now?: () => number;
  /** false: requests without a token are served too. Default true. */
  readonly tokens?: boolean;
}

export interface SeenRequest {
  readonly operation: Operation;
  readonly method: string;
  /** With its query, but without a signature. */
  readonly path: string;
  readonly bucket: string;
  readonly name: string;
  /** Who asked; null without a good token. */
  readonly principal: string | null;
  readonly status: number;
}

export interface FakeStorage {
  readonly url: string;
  readonly buckets: ReadonlyMap<string, FakeBucket>;
  addBucket(settings: BucketSettings): FakeBucket;
  fault(fault: StorageFault): void;
  clearFaults(): void;
  /** From now on this account (`*`: everybody) lacks these permissions, such as `storage.objects.create`. */
  deny(principal: string, ...permissions: string[]): void;
  allowAll(): void;
  readonly requests: readonly SeenRequest[];
  close(): Promise<void>;
}

export async function startStorageServer(options: StorageServerOptions = {}): Promise<FakeStorage> {
  const now = options.now ?? (() => Date.now());
  const buckets = new Map<string, FakeBucket>();
  const faults = new Faults();
  const requests: SeenRequest[] = [];
  const addBucket = (settings: BucketSettings): FakeBucket => {
    const bucket = new FakeBucket(settings, now);
    buckets.set(settings.name, bucket);
    return bucket;
  };
  for (const settings of options.buckets ?? []) addBucket(settings);
  const world: World = {
    buckets,
    addBucket,
    sessions: new Map(),
    denied: new Map(),
    now,
    url: '',
    publicKeys: options.publicKeys ?? {},
  };
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    void serve(request, response).catch((cause: unknown) => {
      // A client that went away in the middle of its body.
      if (!response.headersSent && !request.destroyed) response.writeHead(500).end(String(cause));
      else request.socket.destroy();
    });
  });
  const address = options.listen ?? '127.0.0.1';
  await new Promise<void>((resolve) => {
    server.listen(options.port ?? 0, address, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://${address === '0.0.0.0' ? '127.0.0.1' : address}:${port}`;
  world.url = url;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const asked = routeOf(request.method ?? 'GET', request.url ?? '/', request.headers, body);
    if (asked === null) {
      send(response, {
        status: 404,
        headers: { 'content-type': 'text/plain' },
        body: Buffer.from('Not Found'),
      });
      return;
    }
    const principal = principalOf(request.headers.authorization);
    const fault = faults.take(asked.operation, asked.name);
    if (fault?.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.ms));
    const answer = (fault && instead(fault)) ?? answerTo(world, asked, principal, options.tokens === false);
    requests.push(
      seen(asked, principal, fault?.kind === 'reset' || fault?.kind === 'silent' ? 0 : answer.status),
    );
    if (fault?.kind === 'silent') return;
    if (fault?.kind === 'reset' || fault?.kind === 'lost-reply') {
      request.socket.destroy();
      return;
    }
    send(response, fault?.kind === 'flipped-bit' ? flipped(answer) : answer, fault?.kind);
  }

  function send(response: ServerResponse, answer: Answer, how?: FaultKind['kind']): void {
    response.writeHead(answer.status, {
      date: new Date(now()).toUTCString(),
      server: 'UploadServer',
      ...answer.headers,
      'content-length': String(answer.length ?? answer.body.length),
    });
    if (how !== 'truncated-body' && how !== 'stalled-body') {
      response.end(answer.body);
      return;
    }
    response.write(answer.body.subarray(0, Math.floor(answer.body.length / 2)), () => {
      if (how === 'truncated-body') response.socket?.destroy();
    });
  }

  return {
    url,
    buckets,
    addBucket,
    fault: (fault) => faults.add(fault),
    clearFaults: () => faults.clear(),
    deny(principal, ...permissions) {
      const before = world.denied.get(principal) ?? new Set();
      world.denied.set(principal, new Set([...before, ...permissions]));
    },
    allowAll: () => world.denied.clear(),
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

function instead(fault: StorageFault): Answer | undefined {
  if (fault.kind === 'reset' || fault.kind === 'silent')
    return { status: 0, headers: {}, body: Buffer.alloc(0) };
  if (fault.kind !== 'status') return undefined;
  const { status, reason = REASONS[status] ?? 'backendError', message = `Fault ${status}` } = fault;
  const error = { code: status, message, errors: [{ message, domain: 'global', reason }] };
  return {
    status,
    headers: {
      'content-type': 'application/json; charset=UTF-8',
      ...(fault.retryAfterS === undefined ? {} : { 'retry-after': String(fault.retryAfterS) }),
    },
    body: Buffer.from(JSON.stringify({ error })),
  };
}

const REASONS: Readonly<Record<number, string>> = {
  401: 'authError',
  403: 'forbidden',
  408: 'uploadBrokenConnection',
  412: 'conditionNotMet',
  429: 'rateLimitExceeded',
};

function flipped(answer: Answer): Answer {
  const body = Buffer.from(answer.body);
  const middle = Math.floor(body.length / 2);
  if (body.length > 0) body[middle] = (body[middle] ?? 0) ^ 1;
  return { ...answer, body };
}

function seen(asked: Asked, principal: string | null, status: number): SeenRequest {
  return {
    operation: asked.operation,
    method: asked.method,
    path: asked.url.replace(/X-Goog-Signature=[0-9a-f]+/, 'X-Goog-Signature=...'),
    bucket: asked.bucket,
    name: asked.name,
    principal,
    status,
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
