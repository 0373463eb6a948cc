import { Compute, GoogleAuth, UserRefreshClient } from 'google-auth-library';
import { describe, expect, it } from 'vitest';
import type { Client } from '../../../../src/adapters/google/storage/client.ts';
import { signUrl } from '../../../../src/adapters/google/storage/sign.ts';

type SignedIn = Client['signedIn'];

/** Only what signing looks at. */
function signedInAs(client: SignedIn['client']): Client {
  return { signedIn: { client, auth: new GoogleAuth({ authClient: client, projectId: 'none' }) } } as Client;
}

async function refusalFor(client: SignedIn['client'], from = Date.now()): Promise<string> {
  const answer = await signUrl({
    client: signedInAs(client),
    access: { credentials: {}, endpoints: {} },
    bucket: 'b',
    name: 'packages/x.deb',
    generation: '1',
    from,
    lifetimeMs: 60_000,
  });
  if (answer.ok) throw new Error('signed');
  return answer.error;
}

describe('signing a URL', () => {
  it('is not for a person`s own credentials, and says what serves instead', async () => {
    const person = new UserRefreshClient({ clientId: 'c', clientSecret: 'hidden', refreshToken: 'hidden' });
    const why = await refusalFor(person);
    expect(why).toMatch(
      /credentials\.impersonate.*roles\/iam\.serviceAccountTokenCreator.*delivery: service-account/,
    );
    expect(why).not.toContain('hidden');
  });

  it('says that the clock is wrong when the URL would be past before it is made', async () => {
    const why = await refusalFor(new Compute(), Date.now() - 3_600_000);
    expect(why).toMatch(/clock of this machine is wrong/);
  });
});
