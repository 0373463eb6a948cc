/** OS Login on loopback: profiles of accounts, to be read by those accounts alone; with it the token service, which tells whose a token is. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { principalOf } from './identity.ts';

export interface PosixAccount {
  readonly username?: string;
  readonly primary?: boolean;
  readonly operatingSystemType?: 'LINUX' | 'WINDOWS';
}

export type OsLoginFault =
  /** Another status, with Google's message. */
  | { readonly status: number; readonly message: string }
  /** Takes the question and closes the connection. */
  | 'gone'
  /** 200 with half of a JSON text. */
  | 'torn';

export interface FakeOsLogin {
  /** What ROLLOUT_OSLOGIN_ENDPOINT takes. */
  readonly url: string;
  /** Answers whose a token is, as `oauth2.googleapis.com/tokeninfo` does. */
  readonly tokenInfoUrl: string;
  /** Accounts by e-mail address. An address that is not there is answered 404. */
  readonly profiles: Map<string, readonly PosixAccount[]>;
  /** What the next questions meet, one after the other. */
  readonly faults: OsLoginFault[];
  /** Paths that were asked, in order. */
  readonly requests: string[];
  /** Tokens that the token service answers for, without telling an address. */
  shy: boolean;
  close(): Promise<void>;
}

export async function startOsLogin(): Promise<FakeOsLogin> {
  const server = createServer((request, response) => serve(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake: FakeOsLogin = {
    url,
    tokenInfoUrl: `${url}/tokeninfo`,
    profiles: new Map(),
    faults: [],
    requests: [],
    shy: false,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  return fake;

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    fake.requests.push(path);
    const fault = fake.faults.shift();
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const refuse = (code: number, message: string): void => answer(code, { error: { code, message } });
    const who = principalOf(request.headers.authorization);
    if (fault === 'gone') {
      request.socket.destroy();
    } else if (fault === 'torn') {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"posixAccounts": [{"user');
    } else if (fault !== undefined) {
      refuse(fault.status, fault.message);
    } else if (who === null) {
      refuse(401, 'Request had invalid authentication credentials.');
    } else if (path === '/tokeninfo') {
      answer(200, { expires_in: '3599', scope: 'openid', ...(fake.shy ? {} : { email: who }) });
    } else {
      const email = decodeURIComponent(/^\/v1\/users\/([^/]+)\/loginProfile$/.exec(path)?.[1] ?? '');
      const accounts = fake.profiles.get(email);
      if (email !== who) refuse(403, 'The caller does not have permission');
      else if (accounts === undefined) refuse(404, 'Requested entity was not found.');
      else answer(200, { name: email, ...(accounts.length === 0 ? {} : { posixAccounts: accounts }) });
    }
  }
}
