/** What it means when Google's sign-in refuses, and the command that mends it. No key, token or file content gets into a message. */
import type { GoogleCredentials } from '../../domain/cloud.ts';

export interface SignInError {
  /** A sentence with what mends it. */
  readonly message: string;
  /** Sign-in could not be reached, or was out of order: later it may do. */
  readonly retryable: boolean;
}

/** What a failure to get credentials or a token means, and the command that mends it. Takes anything thrown. */
export function explainSignIn(cause: unknown, { keyFile, impersonate }: GoogleCredentials): string {
  const message = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1)[0] ?? '';
  if (/unable to impersonate/.test(message) && impersonate !== undefined)
    return explainImpersonation(
      cause,
      message,
      impersonate,
      memberOf(keyFile === undefined ? {} : { keyFile }),
    );
  if (/GOOGLE_APPLICATION_CREDENTIALS environment variable/.test(message))
    return 'the file that GOOGLE_APPLICATION_CREDENTIALS names cannot be used: it is missing, unreadable or damaged; name another one, or unset it and run: gcloud auth application-default login';
  if (/default credentials/i.test(message))
    return 'there are no Application Default Credentials; run: gcloud auth application-default login (or set credentials.keyFile)';
  if (/invalid_grant|reauth|invalid_rapt/i.test(message))
    return keyFile === undefined
      ? 'the Application Default Credentials have expired or were revoked; run: gcloud auth application-default login'
      : `Google refuses the key in ${keyFile}: it was deleted or disabled, or the clock of this machine is wrong; compare with: gcloud iam service-accounts keys list --iam-account=NAME@PROJECT.iam.gserviceaccount.com`;
  // Its message shows a piece of the file.
  if (cause instanceof SyntaxError)
    return 'the file with the Application Default Credentials is damaged (not JSON); run: gcloud auth application-default login';
  if (isPassing(cause))
    return `Google's sign-in cannot be reached (${shortly(cause, message)}); look at this machine's network, proxy and DNS, then try again`;
  return `Google's credentials cannot be used: ${message.slice(0, 300)}; try: gcloud auth application-default print-access-token`;
}

/** As IAM names whoever asks, for a command that grants something; a word in capitals stands for what is not known here. */
export function memberOf({ keyFile, impersonate }: GoogleCredentials): string {
  if (impersonate !== undefined) return `serviceAccount:${impersonate}`;
  return keyFile === undefined ? 'user:YOU' : 'serviceAccount:CLIENT_EMAIL_OF_THE_KEY_FILE';
}

/** Whether the same question may be answered later: no answer at all, too many, or a fault on the other side. */
export function isPassing(cause: unknown): boolean {
  const status = statusOf(cause);
  if (status !== null) return status === 429 || status === 408 || status >= 500;
  return /ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EPIPE|ENETUNREACH|EHOSTUNREACH|socket hang up|network|fetch failed|premature close|timed? ?out|abort/i.test(
    `${codeOf(cause)} ${cause instanceof Error ? cause.message : ''}`,
  );
}

function explainImpersonation(cause: unknown, message: string, target: string, member: string): string {
  const status = statusOf(cause);
  if (/invalid_grant/.test(message))
    return `Google refuses the credentials that should act as ${target}: they expired or were deleted; run: gcloud auth application-default login (or look at credentials.keyFile)`;
  if (status === 403)
    return `these credentials may not act as ${target}, or it does not exist; grant it: gcloud iam service-accounts add-iam-policy-binding ${target} --member=${member} --role=roles/iam.serviceAccountTokenCreator (and: gcloud services enable iamcredentials.googleapis.com)`;
  if (status === 404)
    return `there is no service account ${target}; look at credentials.impersonate and: gcloud iam service-accounts list`;
  if (isPassing(cause))
    return `Google cannot be asked to act as ${target} (${shortly(cause, message)}); try again`;
  return `these credentials cannot act as ${target}: ${message.slice(0, 300)}; see: gcloud iam service-accounts get-iam-policy ${target}`;
}

function statusOf(cause: unknown): number | null {
  if (typeof cause !== 'object' || cause === null) return null;
  const { status, response } = cause as { status?: unknown; response?: { status?: unknown } };
  if (typeof status === 'number') return status;
  return typeof response?.status === 'number' ? response.status : null;
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}

function shortly(cause: unknown, message: string): string {
  const status = statusOf(cause);
  const code = codeOf(cause);
  if (status !== null) return `HTTP ${status}`;
  if (/^E[A-Z_]+$/.test(code)) return code;
  return /abort|timed? ?out/i.test(message) ? 'no answer in time' : message.slice(0, 120);
}
