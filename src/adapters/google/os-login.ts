/**
 * The user name that OS Login gives to the account whose credentials are used: hosts with the metadata enable-oslogin=TRUE know no
 * other one of it. https://cloud.google.com/compute/docs/oslogin/rest/v1/users/getLoginProfile
 *
 * OL1  A name is taken only as the profile has it, and only one that a user can have: it goes to a login.
 */
import { plainText } from '../../domain/host-answer.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { type GoogleAccess, haveToken, type SignedIn, signIn } from './access.ts';
import { principalOf } from './principal.ts';

const ENDPOINT = 'https://oslogin.googleapis.com';

/** Longest wait for an answer, ms. */
const ANSWER_MS = 10_000;

/** A question that changes nothing is asked once more when no answer came, or a fault of the other side. */
const TRIES = 2;

/** Asks each time that it is called. The error is a sentence with what mends it. Never rejects. */
export function osLoginUser(access: GoogleAccess): () => Promise<Result<string, string>> {
  return async () => {
    const name = await ask(access);
    return name.ok ? name : err(`OS Login does not tell who logs in: ${name.error}`);
  };
}

async function ask(access: GoogleAccess): Promise<Result<string, string>> {
  const signed = await signIn(access);
  if (!signed.ok) return signed;
  const token = await haveToken(signed.value, access.credentials);
  if (!token.ok) return err(token.error.message);
  const email = await principalOf(signed.value);
  if (!email.ok) return email;
  const profile = await profileOf(email.value, signed.value, access.endpoints.osLogin ?? ENDPOINT);
  return profile.ok ? userNameIn(profile.value, email.value) : profile;
}

async function profileOf(
  email: string,
  { client }: SignedIn,
  endpoint: string,
): Promise<Result<unknown, string>> {
  const url = `${endpoint}/v1/users/${encodeURIComponent(email)}/loginProfile`;
  let last = '';
  for (let tries = 1; tries <= TRIES; tries += 1) {
    try {
      const headers = await client.getRequestHeaders(url);
      const answer = await fetch(url, { headers, signal: AbortSignal.timeout(ANSWER_MS) });
      const body: unknown = await answer.json().catch(() => null);
      if (answer.ok && body !== null) return ok(body);
      if (!answer.ok && answer.status < 500) return err(refusal(answer.status, body, email));
      last = answer.ok ? 'an answer that is no JSON' : `HTTP ${answer.status}`;
    } catch (cause) {
      last = spoken(cause);
    }
  }
  return err(
    `${endpoint} cannot be asked (${last}); look at this machine's network, proxy and DNS, then try again`,
  );
}

function refusal(status: number, body: unknown, email: string): string {
  const said = plainText(googleMessage(body)).replaceAll(/\s+/g, ' ').slice(0, 300);
  const what = said === '' ? `HTTP ${status}` : `HTTP ${status}: ${said}`;
  if (/has not been used|is disabled|SERVICE_DISABLED/.test(said))
    return `the OS Login API is off (${what}); run: gcloud services enable oslogin.googleapis.com`;
  if (status === 404) return noAccount(email);
  if (status === 429) return `OS Login asks to wait (${what}); try again in a minute`;
  return `${email} may not read its profile (${what}); ${ROLES}, then: gcloud compute os-login describe-profile`;
}

/** What an account needs to be let in at all, and to change anything there. */
const ROLES =
  'grant roles/compute.osAdminLogin on the project (roles/compute.osLogin lets in without sudo), and set the metadata enable-oslogin=TRUE on project or VMs';

function noAccount(email: string): string {
  return `${email} has no Linux account in its OS Login profile; it gets one with its first key: gcloud compute os-login ssh-keys add --key-file=KEY.pub; ${ROLES}; see: gcloud compute os-login describe-profile`;
}

interface PosixAccount {
  readonly username?: unknown;
  readonly primary?: unknown;
  readonly operatingSystemType?: unknown;
}

/** OL1. Of several, the primary one; the others are of other directories. */
function userNameIn(profile: unknown, email: string): Result<string, string> {
  const { posixAccounts } = profile as { posixAccounts?: unknown };
  const accounts = (Array.isArray(posixAccounts) ? (posixAccounts as (PosixAccount | null)[]) : []).filter(
    (account) => account !== null && account.operatingSystemType !== 'WINDOWS',
  );
  const [account, another] = [...accounts].sort(
    (one, other) => Number(other?.primary === true) - Number(one?.primary === true),
  );
  if (account === undefined) return err(noAccount(email));
  if (another !== undefined && (account?.primary !== true || another?.primary === true))
    return err(
      `${email} has ${accounts.length} Linux accounts and not one of them is the primary one; see: gcloud compute os-login describe-profile`,
    );
  const username = account?.username;
  return typeof username === 'string' && /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/.test(username)
    ? ok(username)
    : err(
        `the profile of ${email} has an account whose user name cannot be used; see: gcloud compute os-login describe-profile`,
      );
}

function googleMessage(body: unknown): string {
  const { error } = (body ?? {}) as { error?: unknown };
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : '';
}

/** fetch hides the system's code in the cause. */
function spoken(cause: unknown): string {
  if (!(cause instanceof Error)) return 'no answer';
  if (cause.name === 'TimeoutError') return `no answer within ${ANSWER_MS} ms`;
  const inner = cause.cause;
  return inner instanceof Error && 'code' in inner ? String(inner.code) : cause.message.slice(0, 120);
}
