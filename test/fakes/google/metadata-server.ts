/**
 * The metadata server as a VM sees it, for several VMs at once: who is asked about is told by the address the question comes
 * from. It knows the instance id and the VM's service account with its token, and refuses questions without the header that
 * Google asks for.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeInstance {
  /** Numeric instance id, as text. */
  readonly id: string;
  /** E-mail address of its service account; absent: it has none, and 404 is the answer. */
  readonly email?: string;
}

export type MetadataMood =
  | 'well'
  /** 500, with a sentence. */
  | 'failing'
  /** 200 without a body. */
  | 'empty'
  /** 200 with a page of somebody else's, as a captive portal has it. */
  | 'garbage'
  /** A body that never ends. */
  | 'endless'
  /** Takes the question and says nothing. */
  | 'silent'
  /** Closes the connection before it answers. */
  | 'away';

export interface FakeMetadataServer {
  /** Such as `127.0.0.1:40123`: what GCE_METADATA_HOST takes. */
  readonly host: string;
  readonly port: number;
  /** By the address that a question comes from; `*` is every other one. */
  readonly instances: Map<string, FakeInstance>;
  mood: MetadataMood;
  /** Moods of the next questions, used up one by one before `mood`. */
  readonly next: MetadataMood[];
  /** `ADDRESS PATH` of every question with the right header, in order. */
  readonly requests: string[];
  close(): Promise<void>;
}

export interface MetadataOptions {
  readonly instances?: Readonly<Record<string, FakeInstance>>;
  /** Address to listen on; default 127.0.0.1. */
  readonly listen?: string;
  /** Default 0: any free port. */
  readonly port?: number;
}

const ROOT = '/computeMetadata/v1/instance/';
const TOKEN_S = 3600;

export async function startFakeMetadataServer(options: MetadataOptions = {}): Promise<FakeMetadataServer> {
  const listen = options.listen ?? '127.0.0.1';
  const server = createServer((request, response) => serve(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, listen, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const fake: FakeMetadataServer = {
    host: `${listen === '0.0.0.0' ? '127.0.0.1' : listen}:${port}`,
    port,
    instances: new Map(Object.entries(options.instances ?? {})),
    mood: 'well',
    next: [],
    requests: [],
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  return fake;

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const from = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    const path = request.url ?? '';
    if (request.headers['metadata-flavor'] !== 'Google') {
      response.writeHead(403, { 'Content-Type': 'text/html' }).end('Missing Metadata-Flavor:Google header.');
      return;
    }
    fake.requests.push(`${from} ${path}`);
    const mood = fake.next.shift() ?? fake.mood;
    switch (mood) {
      case 'silent':
        return;
      case 'away':
        request.socket.destroy();
        return;
      case 'failing':
        response.writeHead(500, GOOGLE).end('Internal error');
        return;
      case 'empty':
        response.writeHead(200, GOOGLE).end();
        return;
      case 'garbage':
        response
          .writeHead(200, { 'Content-Type': 'text/html' })
          .end('<html>12345 Please log in</html>\n'.repeat(40));
        return;
      case 'endless':
        response.writeHead(200, GOOGLE);
        flood(response);
        return;
      case 'well': {
        const [status, body] = answerTo(path, fake.instances.get(from) ?? fake.instances.get('*'));
        response.writeHead(status, GOOGLE).end(body);
        return;
      }
      default:
        mood satisfies never;
    }
  }
}

const GOOGLE = {
  'Metadata-Flavor': 'Google',
  Server: 'Metadata Server for VM',
  'Content-Type': 'application/text',
};

function answerTo(path: string, instance: FakeInstance | undefined): [number, string] {
  if (instance === undefined) return [404, 'this VM is not in the map'];
  if (path === `${ROOT}id`) return [200, instance.id];
  const { email } = instance;
  if (email === undefined) return [404, 'no service account'];
  if (path === `${ROOT}service-accounts/default/email`) return [200, email];
  if (path !== `${ROOT}service-accounts/default/token`) return [404, 'not found'];
  // The form of identity.ts, so that the other fakes know whose it is.
  const token = `ya29.fake.${Buffer.from(email).toString('base64url')}.${Date.now() + TOKEN_S * 1000}`;
  return [200, JSON.stringify({ access_token: token, expires_in: TOKEN_S, token_type: 'Bearer' })];
}

function flood(response: ServerResponse): void {
  const more = (): void => {
    while (!response.destroyed && response.write('7'.repeat(64 * 1024)));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}
