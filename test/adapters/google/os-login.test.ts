/** Who logs in, as OS Login tells it: with the real sign-in, over HTTP. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OAuth2Client } from 'google-auth-library';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SignedIn } from '../../../src/adapters/google/access.ts';
import { osLoginUser } from '../../../src/adapters/google/os-login.ts';
import { principalOf } from '../../../src/adapters/google/principal.ts';
import type { GoogleCredentials } from '../../../src/domain/cloud.ts';
import { type FakeIdentity, startIdentity } from '../../fakes/google/identity.ts';
import { type FakeOsLogin, startOsLogin } from '../../fakes/google/os-login.ts';

const DEPLOYER = 'deployer@gprd.iam.gserviceaccount.com';

let folder: string;
let identity: FakeIdentity;
let osLogin: FakeOsLogin;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollout-os-login-'));
  identity = await startIdentity({ folder });
  osLogin = await startOsLogin();
  osLogin.profiles.set(identity.email, [{ username: 'sa_100', primary: true, operatingSystemType: 'LINUX' }]);
});

afterEach(async () => {
  await identity.close();
  await osLogin.close();
  await rm(folder, { recursive: true });
});

async function user(more: GoogleCredentials = {}): Promise<string> {
  const answer = await osLoginUser({
    credentials: { keyFile: identity.keyFile, ...more },
    endpoints: { osLogin: osLogin.url, iamCredentials: identity.url },
    signInMs: 500,
  })();
  return answer.ok ? answer.value : `refused: ${answer.error}`;
}

describe('the user of a service account', () => {
  it('is its Linux account', async () => {
    expect(await user()).toBe('sa_100');
    expect(osLogin.requests).toEqual([`/v1/users/${encodeURIComponent(identity.email)}/loginProfile`]);
  });

  it('is that of the account it acts as', async () => {
    osLogin.profiles.set(DEPLOYER, [{ username: 'sa_200', primary: true, operatingSystemType: 'LINUX' }]);
    expect(await user({ impersonate: DEPLOYER })).toBe('sa_200');
  });

  it('is the primary one of several, and never one of Windows', async () => {
    osLogin.profiles.set(identity.email, [
      { username: 'win', primary: true, operatingSystemType: 'WINDOWS' },
      { username: 'other', operatingSystemType: 'LINUX' },
      { username: 'mine', primary: true, operatingSystemType: 'LINUX' },
    ]);
    expect(await user()).toBe('mine');
  });

  it('is the only one, whatever the profile says of it', async () => {
    osLogin.profiles.set(identity.email, [{ username: 'only' }]);
    expect(await user()).toBe('only');
  });
});

describe('no user', () => {
  it.each([
    ['an empty profile', []],
    [
      'an account of Windows alone',
      [{ username: 'w', primary: true, operatingSystemType: 'WINDOWS' as const }],
    ],
  ])('in %s: what is missing is said with its mend', async (_what, accounts) => {
    osLogin.profiles.set(identity.email, accounts);
    const answer = await user();
    expect(answer).toContain(
      `refused: OS Login does not tell who logs in: ${identity.email} has no Linux account`,
    );
    for (const word of [
      'gcloud compute os-login ssh-keys add',
      'gcloud compute os-login describe-profile',
      'roles/compute.osAdminLogin',
      'roles/compute.osLogin',
      'enable-oslogin=TRUE',
    ])
      expect(answer).toContain(word);
  });

  it('where there is no profile', async () => {
    osLogin.profiles.clear();
    expect(await user()).toContain('has no Linux account');
  });

  it('among several of which none, or more than one, is the primary one', async () => {
    for (const primary of [false, true]) {
      osLogin.profiles.set(identity.email, [
        { username: 'a', primary },
        { username: 'b', primary },
      ]);
      expect(await user()).toContain('has 2 Linux accounts and not one of them is the primary one');
    }
  });

  it.each(['', '-oProxyCommand=x', 'a b', 'root\n', undefined])('with the name %j', async (username) => {
    osLogin.profiles.set(identity.email, [
      { primary: true, ...(username === undefined ? {} : { username }) },
    ]);
    expect(await user()).toContain('whose user name cannot be used');
  });
});

describe('OS Login that does not answer', () => {
  it.each([
    ['gone', [{ status: 503, message: '' }]],
    ['torn', ['torn' as const]],
    ['away', ['gone' as const]],
  ])('once, %s, is asked once more', async (_how, faults) => {
    osLogin.faults.push(...faults);
    expect(await user()).toBe('sa_100');
    expect(osLogin.requests).toHaveLength(2);
  });

  it('twice: the place is named', async () => {
    osLogin.faults.push('gone', { status: 500, message: 'boom' });
    expect(await user()).toBe(
      `refused: OS Login does not tell who logs in: ${osLogin.url} cannot be asked (HTTP 500); look at this machine's network, proxy and DNS, then try again`,
    );
  });

  it('at all: nothing listens there', async () => {
    await osLogin.close();
    expect(await user()).toContain('cannot be asked (ECONNREFUSED)');
    osLogin = await startOsLogin();
  });

  it.each([
    [
      403,
      'Cloud OS Login API has not been used in project 1 before or it is disabled.',
      'gcloud services enable oslogin.googleapis.com',
    ],
    [403, 'The caller does not have permission', 'roles/compute.osAdminLogin'],
    [429, 'Quota exceeded', 'try again in a minute'],
  ])('but %s %s is not asked again', async (status, message, mend) => {
    osLogin.faults.push({ status, message });
    const answer = await user();
    expect(answer).toContain(`HTTP ${status}: ${message}`);
    expect(answer).toContain(mend);
    expect(osLogin.requests).toHaveLength(1);
  });

  it('because nobody is signed in: the sign-in’s own words, and no question', async () => {
    identity.mood = 'refuses';
    const answer = await user();
    expect(answer).toContain(`Google refuses the key in ${identity.keyFile}`);
    expect(answer).not.toContain('BEGIN');
    expect(osLogin.requests).toEqual([]);
  });
});

describe('a person’s credentials', () => {
  const person = (): SignedIn => {
    const client = new OAuth2Client({ endpoints: { tokenInfoUrl: osLogin.tokenInfoUrl } });
    client.setCredentials({
      access_token: identity.tokenFor('ann@example.com'),
      expiry_date: Date.now() + 3_600_000,
    });
    // Asked of nothing here.
    return { client, auth: {} as SignedIn['auth'] };
  };

  it('tell whose they are by the token service, which is not shown the token in an address', async () => {
    expect(await principalOf(person())).toEqual({ ok: true, value: 'ann@example.com' });
    expect(osLogin.requests).toEqual(['/tokeninfo']);
  });

  it('that may not tell it are to be made anew', async () => {
    osLogin.shy = true;
    expect(await principalOf(person())).toMatchObject({
      ok: false,
      error: expect.stringMatching(/userinfo.email.*gcloud auth application-default login/),
    });
  });

  it.each([{ status: 400, message: 'invalid_token' }, 'gone' as const, 'torn' as const])(
    'and a token service that says %j: an error without the token',
    async (fault) => {
      osLogin.faults.push(fault);
      const answer = await principalOf(person());
      expect(answer).toMatchObject({ ok: false });
      expect(JSON.stringify(answer)).not.toContain('ya29');
    },
  );
});
