/**
 * Google's sign-in on loopback: a token endpoint that checks a service account's signed assertion, and the part of the IAM
 * Credentials API by which one account acts as another. With it a key file, made anew each time, so that the real
 * authentication library runs from end to end.
 *
 * Tokens say whose they are, so that the other fakes, also in processes of their own, know it from `principalOf` alone.
 */
import { createSign, createVerify, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export type IdentityMood =
  | 'well'
  /** The key was deleted, or the clock is wrong: 400 `invalid_grant`. */
  | 'refuses'
  /** 403 for every attempt to act as another account. */
  | 'refuses-impersonation'
  /** Takes the question and says nothing. */
  | 'silent'
  | 'silent-impersonation'
  /** Closes the connection before it answers. */
  | 'away'
  /** 503 for everything. */
  | 'unavailable';

export interface IdentityOptions {
  /** Where the key file is written; made if absent. */
  readonly folder: string;
  /** Default `rollout@sandbox.iam.gserviceaccount.com`. */
  readonly email?: string;
  /** Life of the tokens, seconds. Default 3600. */
  readonly lifetimeS?: number;
}

export interface FakeIdentity {
  /** Also what ROLLOUT_IAMCREDENTIALS_ENDPOINT takes. */
  readonly url: string;
  readonly email: string;
  /** A service account's key file, mode 0600, whose token_uri is this server. */
  readonly keyFile: string;
  /** PEM of the key's public half, to check what was signed with it. */
  readonly publicKey: string;
  mood: IdentityMood;
  /** Before each answer, ms. Default 0. */
  delayMs: number;
  /** Paths that were asked, in order. */
  readonly requests: string[];
  /** A token as this server would give it. */
  tokenFor(principal: string): string;
  close(): Promise<void>;
}

/** One a process: making it takes as long as most tests. */
let pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject } | undefined;

const TOKEN_PREFIX = 'ya29.fake.';

/** Whose token an Authorization header holds: a token of this fake, or a JWT that the account signed itself; else null. */
export function principalOf(authorization: string | undefined): string | null {
  const token = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1];
  if (token === undefined) return null;
  if (token.startsWith(TOKEN_PREFIX)) {
    const [who = '', until = ''] = token.slice(TOKEN_PREFIX.length).split('.');
    return Number(until) > Date.now() ? Buffer.from(who, 'base64url').toString() : null;
  }
  const claims = claimsOf(token);
  return claims !== null && Number(claims.exp) * 1000 > Date.now() ? (claims.iss ?? null) : null;
}

export async function startIdentity(options: IdentityOptions): Promise<FakeIdentity> {
  const email = options.email ?? 'rollout@sandbox.iam.gserviceaccount.com';
  const lifetimeMs = (options.lifetimeS ?? 3600) * 1000;
  pair ??= generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { publicKey, privateKey } = pair;
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const keyFile = join(options.folder, 'service-account.json');
  const fake: FakeIdentity = {
    url,
    email,
    keyFile,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    mood: 'well',
    delayMs: 0,
    requests: [],
    tokenFor: (principal) =>
      `${TOKEN_PREFIX}${Buffer.from(principal).toString('base64url')}.${Date.now() + lifetimeMs}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
  await mkdir(options.folder, { recursive: true });
  await writeFile(keyFile, JSON.stringify(keyOf(email, privateKey, `${url}/token`), null, 2), {
    mode: 0o600,
  });
  return fake;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    fake.requests.push(path);
    const body = await bodyOf(request);
    if (fake.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, fake.delayMs));
    if (fake.mood === 'silent' || (fake.mood === 'silent-impersonation' && path !== '/token')) return;
    if (fake.mood === 'away') {
      request.socket.destroy();
      return;
    }
    const [status, answer] =
      fake.mood === 'unavailable'
        ? googleError(503, 'UNAVAILABLE', 'The service is currently unavailable.')
        : path === '/token'
          ? grant(new URLSearchParams(body))
          : actAs(path, request.headers.authorization, body);
    response
      .writeHead(status, { 'content-type': 'application/json; charset=UTF-8' })
      .end(JSON.stringify(answer));
  }

  function grant(form: URLSearchParams): Answer {
    const assertion = form.get('assertion') ?? '';
    const signed = fake.mood !== 'refuses' && isSignedBy(publicKey, assertion);
    if (!signed) return [400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' }];
    const who = claimsOf(assertion)?.iss ?? '';
    return [200, { access_token: fake.tokenFor(who), expires_in: lifetimeMs / 1000, token_type: 'Bearer' }];
  }

  function actAs(path: string, authorization: string | undefined, body: string): Answer {
    const asked = /^\/v1\/projects\/-\/serviceAccounts\/([^/:]+):(generateAccessToken|signBlob)$/.exec(path);
    if (asked === null) return googleError(404, 'NOT_FOUND', 'Requested entity was not found.');
    const [, target = '', verb = ''] = asked;
    if (principalOf(authorization) === null)
      return googleError(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.');
    if (fake.mood === 'refuses-impersonation')
      return googleError(
        403,
        'PERMISSION_DENIED',
        verb === 'signBlob'
          ? `Permission 'iam.serviceAccounts.signBlob' denied on resource (or it may not exist).`
          : `Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).`,
      );
    if (verb === 'generateAccessToken')
      return [
        200,
        {
          accessToken: fake.tokenFor(decodeURIComponent(target)),
          expireTime: new Date(Date.now() + lifetimeMs).toISOString(),
        },
      ];
    const { payload = '' } = JSON.parse(body) as { payload?: string };
    const signature = createSign('RSA-SHA256').update(Buffer.from(payload, 'base64')).sign(privateKey);
    return [200, { keyId: 'fake-key', signedBlob: signature.toString('base64') }];
  }
}

type Answer = readonly [number, unknown];

function googleError(code: number, status: string, message: string): Answer {
  return [code, { error: { code, message, status } }];
}

function keyOf(email: string, key: KeyObject, tokenUri: string): Record<string, string> {
  return {
    type: 'service_account',
    project_id: 'sandbox',
    private_key_id: 'fake-key',
    private_key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    client_email: email,
    client_id: '100000000000000000001',
    token_uri: tokenUri,
    universe_domain: 'googleapis.com',
  };
}

function claimsOf(jwt: string): { readonly iss?: string; readonly exp?: number } | null {
  const [, claims = '', signature] = jwt.split('.');
  if (signature === undefined) return null;
  try {
    return JSON.parse(Buffer.from(claims, 'base64url').toString()) as { iss?: string; exp?: number };
  } catch {
    return null;
  }
}

function isSignedBy(key: KeyObject, jwt: string): boolean {
  const [head = '', claims = '', signature = ''] = jwt.split('.');
  const verify = createVerify('RSA-SHA256').update(`${head}.${claims}`);
  return (
    verify.verify(key, Buffer.from(signature, 'base64url')) && Number(claimsOf(jwt)?.exp) * 1000 > Date.now()
  );
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
