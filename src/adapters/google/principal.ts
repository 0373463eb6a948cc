/** Whose credentials they are: the e-mail address of the account that a token was given to. */
import type { AuthClient, OAuth2Client } from 'google-auth-library';
import { err, ok, type Result } from '../../domain/result.ts';
import type { SignedIn } from './access.ts';

/** Longest wait for who knows it, ms. */
const ANSWER_MS = 10_000;

/**
 * Known from the credentials themselves where they are a service account's; asked of the metadata server on a VM, and of Google's
 * token service for a person. The error is a sentence with what mends it, without the token.
 */
export async function principalOf({ auth, client }: SignedIn): Promise<Result<string, string>> {
  const { Compute, Impersonated, JWT, BaseExternalAccountClient, OAuth2Client } = await import(
    'google-auth-library'
  );
  try {
    if (client instanceof Impersonated) return named(client.getTargetPrincipal());
    if (client instanceof JWT) return named(client.email);
    if (client instanceof BaseExternalAccountClient) return named(client.getServiceAccountEmail());
    if (client instanceof Compute) return named((await auth.getCredentials()).client_email);
    if (client instanceof OAuth2Client) return await askTokenService(client);
  } catch (cause) {
    return err(
      `whose credentials these are cannot be asked: ${(cause as Error).message.split('\n', 1)[0]}; ${AGAIN}`,
    );
  }
  return named(null);
}

const NAMELESS =
  "Google does not tell whose credentials these are (they are no person's and no service account's); set inventory.credentials.impersonate to a service account";

function named(email: string | null | undefined): Result<string, string> {
  return email === null || email === undefined || email === '' ? err(NAMELESS) : ok(email);
}

/** https://oauth2.googleapis.com/tokeninfo tells the address when the token may see it, as those of `gcloud auth` may. */
async function askTokenService(client: OAuth2Client): Promise<Result<string, string>> {
  const token = await tokenOf(client);
  const answer = await fetch(client.endpoints.tokenInfoUrl, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  if (!answer.ok)
    return err(`Google's token service answers ${answer.status} to whose credentials these are; ${AGAIN}`);
  const { email } = (await answer.json()) as { email?: unknown };
  if (typeof email === 'string' && email !== '') return ok(email);
  return err(`these credentials do not tell whose they are: they lack the scope userinfo.email; ${AGAIN}`);
}

const AGAIN = 'run: gcloud auth application-default login';

async function tokenOf(client: AuthClient): Promise<string> {
  const { token } = await client.getAccessToken();
  return token ?? '';
}
