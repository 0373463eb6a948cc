/** A server on loopback that answers as it is told, well or as a bad day has it: for the fakes of what speaks JSON over HTTP. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AskedOf {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface ToldAnswer {
  readonly status?: number;
  /** A text is sent as it is, everything else as JSON. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type BackendMood =
  | { readonly kind: 'well' }
  | ({ readonly kind: 'says' } & ToldAnswer)
  | { readonly kind: 'silent' | 'resets' }
  /** Begins the right answer and ends the connection halfway. */
  | { readonly kind: 'truncates' }
  /** Sends bytes for as long as somebody listens. */
  | { readonly kind: 'endless' };

export interface HttpBackend {
  readonly url: string;
  /** How it behaves from the next request on; the last mood stays. */
  moods: BackendMood[];
  readonly asked: AskedOf[];
  /** Its clock, ms since the epoch: what its Date header says. Default 2026-01-01, as a manual clock has it. */
  now: number;
  close(): Promise<void>;
}

export async function startBackend(answer: (asked: AskedOf) => ToldAnswer): Promise<HttpBackend> {
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const backend: HttpBackend = {
    url: `http://127.0.0.1:${port}`,
    moods: [{ kind: 'well' }],
    asked: [],
    now: Date.UTC(2026, 0, 1),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  return backend;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const asked: AskedOf = {
      method: request.method ?? '',
      url: new URL(request.url ?? '/', backend.url),
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    backend.asked.push(asked);
    response.setHeader('date', new Date(backend.now).toUTCString());
    const mood = (backend.moods.length > 1 ? backend.moods.shift() : backend.moods[0]) ?? { kind: 'well' };
    switch (mood.kind) {
      case 'silent':
        return;
      case 'resets':
        request.socket.resetAndDestroy();
        return;
      case 'endless':
        response.writeHead(200);
        pour(response);
        return;
      case 'says':
        send(response, mood);
        return;
      case 'truncates': {
        const text = textOf(answer(asked).body);
        response.writeHead(200, { 'content-length': Buffer.byteLength(text) });
        response.write(text.slice(0, Math.floor(text.length / 2)), () => response.socket?.end());
        return;
      }
      case 'well':
        send(response, answer(asked));
        return;
      default:
        mood satisfies never;
    }
  }
}

function pour(response: ServerResponse): void {
  const more = (): void => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
  };
  response.on('drain', more);
  more();
}

function send(response: ServerResponse, { status = 200, body, headers = {} }: ToldAnswer): void {
  const type = typeof body === 'string' ? 'text/plain' : 'application/json';
  response.writeHead(status, { 'content-type': type, ...headers }).end(textOf(body));
}

function textOf(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}
