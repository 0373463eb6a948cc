/** An HTTP server that gives one package in every way in which a bucket, a proxy or a network disappoints; told by the path. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type PackageMood =
  | 'well'
  /** 503, twice; then well. */
  | 'busy-twice'
  /** 503, always. */
  | 'busy'
  /** Breaks off in the middle, twice; then well. */
  | 'breaks-twice'
  /** Breaks off in the middle, always. */
  | 'breaks'
  /** A whole answer of fewer bytes. */
  | 'short'
  /** A length that says more bytes. */
  | 'longer'
  /** More and more bytes, of no length that is told. */
  | 'endless'
  /** As many bytes, others. */
  | 'altered'
  /** As many bytes, others, once; then well. */
  | 'altered-once'
  | 'expired'
  | 'forbidden'
  | 'missing'
  | 'redirect'
  /** Takes the question and says nothing. */
  | 'silent'
  /** The first half, and then nothing. */
  | 'stalls'
  /** Gives it slowly: ten pieces, 200 ms apart. */
  | 'slow';

export interface PackageServer {
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string;
  readonly port: number;
  /** Every request, in order. */
  readonly requests: { readonly path: string; readonly authorization: string | undefined }[];
  /** Connections that are open now. */
  readonly connections: () => Promise<number>;
  close(): Promise<void>;
}

/** Answers `/MOOD/...` with the package's bytes. Only requests whose Authorization is as `expect` says get it. */
export async function startPackageServer(
  bytes: Buffer,
  expect: (request: IncomingMessage) => boolean = () => true,
): Promise<PackageServer> {
  const counts = new Map<string, number>();
  const requests: PackageServer['requests'] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.push({ path, authorization: request.headers.authorization });
    const mood = (path.split('/')[1] ?? '') as PackageMood;
    const asked = (counts.get(path) ?? 0) + 1;
    counts.set(path, asked);
    if (!expect(request)) refuse(response, 403, 'AccessDenied');
    else serve(response, mood, asked);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    requests,
    connections: () => new Promise((resolve) => server.getConnections((_, count) => resolve(count))),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };

  function whole(response: ServerResponse, body: Buffer = bytes): void {
    response.writeHead(200, { 'Content-Length': body.length }).end(body);
  }

  function half(response: ServerResponse, then: () => void): void {
    response.writeHead(200, { 'Content-Length': bytes.length });
    response.write(bytes.subarray(0, bytes.length / 2), then);
  }

  function serve(response: ServerResponse, mood: PackageMood, asked: number): void {
    const altered = Buffer.from(bytes);
    altered[0] = (altered[0] ?? 0) ^ 1;
    switch (mood) {
      case 'well':
        return whole(response);
      case 'busy-twice':
        return asked <= 2 ? refuse(response, 503, 'ServiceUnavailable') : whole(response);
      case 'busy':
        return refuse(response, 503, 'ServiceUnavailable');
      case 'breaks-twice':
        return asked <= 2 ? half(response, () => response.destroy()) : whole(response);
      case 'breaks':
        return half(response, () => response.destroy());
      case 'short':
        return whole(response, bytes.subarray(1));
      case 'longer':
        return whole(response, Buffer.concat([bytes, bytes]));
      case 'endless':
        response.writeHead(200);
        return flood(response);
      case 'altered':
        return whole(response, altered);
      case 'altered-once':
        return whole(response, asked === 1 ? altered : bytes);
      case 'expired':
        return refuse(response, 400, 'ExpiredToken');
      case 'forbidden':
        return refuse(response, 403, 'AccessDenied');
      case 'missing':
        return refuse(response, 404, 'NoSuchKey');
      case 'redirect':
        response.writeHead(302, { Location: `http://127.0.0.1:${port}/well/there` }).end();
        return;
      case 'silent':
        return;
      case 'stalls':
        return half(response, () => {});
      case 'slow':
        return trickle(response);
      default:
        mood satisfies never;
        refuse(response, 404, 'NoSuchBucket');
    }
  }

  function trickle(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Length': bytes.length });
    const piece = Math.ceil(bytes.length / 10);
    let at = 0;
    const timer = setInterval(() => {
      response.write(bytes.subarray(at, at + piece));
      at += piece;
      if (at < bytes.length && !response.destroyed) return;
      clearInterval(timer);
      response.end();
    }, 200);
  }
}

/** As the bucket's XML API has it, with more than the word for it. */
function refuse(response: ServerResponse, status: number, code: string): void {
  const body = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>No.</Message><Details>X-Goog-Credential=somebody</Details></Error>`;
  response.writeHead(status, { 'Content-Type': 'application/xml; charset=UTF-8' }).end(body);
}

function flood(response: ServerResponse): void {
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}
