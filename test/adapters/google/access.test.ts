import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type GoogleAccess, haveToken, signIn } from '../../../src/adapters/google/access.ts';
import type { GoogleCredentials } from '../../../src/domain/cloud.ts';
import { type FakeIdentity, principalOf, startIdentity } from '../../fakes/google/identity.ts';

const TARGET = 'deployer@gprd.iam.gserviceaccount.com';
const VARIABLES = ['GOOGLE_APPLICATION_CREDENTIALS', 'METADATA_SERVER_DETECTION', 'CLOUDSDK_CONFIG'] as const;

let folder: string;
let identity: FakeIdentity;
const before = VARIABLES.map((name) => [name, process.env[name]] as const);
const warned: unknown[] = [];
const { warn } = console;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollout-access-'));
  identity = await startIdentity({ folder });
  process.env.METADATA_SERVER_DETECTION = 'none';
  process.env.CLOUDSDK_CONFIG = join(folder, 'gcloud');
  delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
  console.warn = (...words: unknown[]) => warned.push(...words);
});
afterEach(async () => {
  await identity.close();
  await rm(folder, { recursive: true });
  console.warn = warn;
  for (const [name, value] of before)
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  expect(warned.splice(0)).toEqual([]);
});

/** Signs in, asks for a token, and says whose it is; or what went wrong. */
async function outcome(credentials: GoogleCredentials, endpoints: GoogleAccess['endpoints'] = {}) {
  const signed = await signIn({ credentials, endpoints, signInMs: 400 });
  if (!signed.ok) return { refused: signed.error };
  const token = await haveToken(signed.value, credentials);
  if (!token.ok) return { failed: token.error.message, retryable: token.error.retryable };
  const headers = await signed.value.auth.getRequestHeaders('https://storage.googleapis.com/');
  return { principal: principalOf(headers.get('authorization') ?? undefined) };
}

describe('a key file', () => {
  it('signs in as its service account, at the token endpoint that it names', async () => {
    expect(await outcome({ keyFile: identity.keyFile })).toEqual({ principal: identity.email });
    expect(identity.requests).toEqual(['/token']);
    expect((await stat(identity.keyFile)).mode & 0o777).toBe(0o600);
  });

  it('asks for one token only, as long as that lives', async () => {
    const credentials = { keyFile: identity.keyFile };
    const signed = await signIn({ credentials, endpoints: {} });
    if (!signed.ok) throw new Error(signed.error);
    await haveToken(signed.value, credentials);
    await haveToken(signed.value, credentials);
    await signed.value.auth.getRequestHeaders('https://compute.googleapis.com/');
    expect(identity.requests).toEqual(['/token']);
  });

  it('that is missing or unreadable is named with what to do', async () => {
    const keyFile = join(folder, 'none.json');
    expect(await outcome({ keyFile })).toEqual({
      refused: `the key file ${keyFile} cannot be read (ENOENT); set credentials.keyFile to a file that this user can read`,
    });
    expect(await outcome({ keyFile: folder })).toEqual({
      refused: `the key file ${folder} cannot be read (EISDIR); set credentials.keyFile to a file that this user can read`,
    });
    await chmod(identity.keyFile, 0);
    if (process.getuid?.() === 0) console.log('unreadable key file: not tried, root reads everything');
    else expect(await outcome({ keyFile: identity.keyFile })).toMatchObject({ refused: /EACCES/ });
  });

  it.each([
    ['is empty', ''],
    ['is no JSON', '-----BEGIN SECRET-----'],
    ['is a list', '["SECRET"]'],
    ['is of something else', '{"type":"service_account","project_id":"SECRET"}'],
    ['has an empty key', '{"type":"service_account","client_email":"a@b","private_key":""}'],
  ])('that %s is not taken for one, and nothing of it is shown', async (_what, text) => {
    const keyFile = join(folder, 'other.json');
    await writeFile(keyFile, text);
    const { refused } = await outcome({ keyFile });
    expect(refused).toContain(`${keyFile} is not a key file of a service account`);
    expect(refused).toContain('gcloud iam service-accounts keys create');
    expect(refused).not.toContain('SECRET');
  });

  it('with a damaged key is said to be damaged', async () => {
    const key = JSON.parse(await readFile(identity.keyFile, 'utf8'));
    await writeFile(identity.keyFile, JSON.stringify({ ...key, private_key: key.private_key.slice(0, 300) }));
    const { refused } = await outcome({ keyFile: identity.keyFile });
    expect(refused).toContain(`${identity.keyFile} is damaged`);
    expect(refused).not.toContain(key.private_key.slice(30, 60));
  });

  it('that is a person’s credentials is sent to where those belong', async () => {
    const keyFile = join(folder, 'user.json');
    await writeFile(keyFile, '{"type":"authorized_user","client_secret":"SECRET","refresh_token":"SECRET"}');
    const { refused } = await outcome({ keyFile });
    expect(refused).toContain('GOOGLE_APPLICATION_CREDENTIALS');
    expect(refused).not.toContain('SECRET');
  });

  it('whose token endpoint is not https is refused', async () => {
    const key = JSON.parse(await readFile(identity.keyFile, 'utf8'));
    await writeFile(identity.keyFile, JSON.stringify({ ...key, token_uri: 'http://example.com/token' }));
    expect(await outcome({ keyFile: identity.keyFile })).toMatchObject({
      refused: expect.stringContaining('token_uri of the key file would send tokens in the clear'),
    });
  });

  it('whose key was deleted is told apart from a sign-in that is away', async () => {
    identity.mood = 'refuses';
    const refused = await outcome({ keyFile: identity.keyFile });
    expect(refused).toMatchObject({ retryable: false });
    expect(refused.failed).toContain(`Google refuses the key in ${identity.keyFile}`);
    await identity.close();
    const away = await outcome({ keyFile: identity.keyFile });
    expect(away).toMatchObject({ retryable: true });
    expect(away.failed).toContain("Google's sign-in cannot be reached (ECONNREFUSED)");
  });
});

describe('a sign-in that is ill', () => {
  it.each(['silent', 'away', 'unavailable'] as const)(
    '(%s) ends in time and may be tried again',
    async (mood) => {
      identity.mood = mood;
      const began = performance.now();
      expect(await outcome({ keyFile: identity.keyFile })).toMatchObject({
        failed: expect.stringContaining("Google's sign-in cannot be reached"),
        retryable: true,
      });
      expect(performance.now() - began).toBeLessThan(5_000);
    },
  );

  it('that is silent is said to be silent', async () => {
    identity.mood = 'silent';
    const { failed } = await outcome({ keyFile: identity.keyFile });
    expect(failed).toContain("Google's sign-in cannot be reached (no answer in time); look at");
  });

  it('that is silent about acting as another ends in time too', async () => {
    identity.mood = 'silent-impersonation';
    const credentials = { keyFile: identity.keyFile, impersonate: TARGET };
    expect(await outcome(credentials, { iamCredentials: identity.url })).toMatchObject({
      failed: expect.stringContaining(`Google cannot be asked to act as ${TARGET}`),
      retryable: true,
    });
  });
});

describe('Application Default Credentials', () => {
  it('that do not exist are asked for by the command that makes them', async () => {
    expect(await outcome({})).toEqual({
      refused:
        'there are no Application Default Credentials; run: gcloud auth application-default login (or set credentials.keyFile)',
    });
  });

  it('are found by the environment variable, and its file’s token endpoint is honoured', async () => {
    process.env.GOOGLE_APPLICATION_CREDENTIALS = identity.keyFile;
    expect(await outcome({})).toEqual({ principal: identity.email });
    expect(identity.requests).toEqual(['/token']);
  });

  it.each([
    ['is missing', null],
    ['is no JSON', 'SECRET'],
  ])('whose file %s are said to be unusable, and nothing of it is shown', async (_what, text) => {
    const file = join(folder, 'adc.json');
    if (text !== null) await writeFile(file, text);
    process.env.GOOGLE_APPLICATION_CREDENTIALS = file;
    const { refused } = await outcome({});
    expect(refused).toContain('the file that GOOGLE_APPLICATION_CREDENTIALS names cannot be used');
    expect(refused).not.toContain('SECRET');
  });
});

describe('acting as another account', () => {
  const credentials = (): GoogleCredentials => ({ keyFile: identity.keyFile, impersonate: TARGET });

  it('gives that account’s rights', async () => {
    expect(await outcome(credentials(), { iamCredentials: identity.url })).toEqual({ principal: TARGET });
    expect(identity.requests).toEqual([
      '/token',
      `/v1/projects/-/serviceAccounts/${TARGET}:generateAccessToken`,
    ]);
  });

  it('that is refused names the role and the command that grants it', async () => {
    identity.mood = 'refuses-impersonation';
    const { failed, retryable } = await outcome(credentials(), { iamCredentials: identity.url });
    expect(failed).toContain(`these credentials may not act as ${TARGET}`);
    expect(failed).toContain('--role=roles/iam.serviceAccountTokenCreator');
    expect(retryable).toBe(false);
  });

  it('with a deleted key of one’s own says that it is that', async () => {
    identity.mood = 'refuses';
    const { failed } = await outcome(credentials(), { iamCredentials: identity.url });
    expect(failed).toContain(`Google refuses the credentials that should act as ${TARGET}`);
  });
});
