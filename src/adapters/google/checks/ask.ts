/** One question to one of Google's JSON APIs, with the credentials at hand: signed in once, every outcome a value. */
import { plainText } from '../../../domain/host-answer.ts';
import type { Result } from '../../../domain/result.ts';
import { err, ok } from '../../../domain/result.ts';
import { type SelfCheck, skipped } from '../../../ports/self-check.ts';
import { type GoogleAccess, haveToken, type SignedIn, signIn } from '../access.ts';
import { principalOf } from '../principal.ts';

export type Asked =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** JSON; null for what is none. */
      readonly body: unknown;
      readonly location: string | null;
      /** What Google says of an error, one line; empty for a success. */
      readonly message: string;
      /** The server's clock when it answered, ms since the epoch; null when it does not tell. */
      readonly serverTime: number | null;
    }
  /** Nobody is signed in, or nobody answers. The message has the house's form, `what; mend`. */
  | { readonly kind: 'no-answer'; readonly message: string };

export interface Question {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

export interface GoogleAsker {
  readonly access: GoogleAccess;
  /** With a token at hand; the error is a sentence with its mend. */
  signedIn(): Promise<Result<SignedIn, string>>;
  ask(question: Question): Promise<Asked>;
  /** As IAM names who asks, such as `serviceAccount:a@b`; `user:YOU` when that is not known. For commands that mend. */
  member(): Promise<string>;
}

export function googleAsker(access: GoogleAccess): GoogleAsker {
  let signing: Promise<Result<SignedIn, string>> | undefined;
  const signedIn = (): Promise<Result<SignedIn, string>> => {
    signing ??= signInWithToken(access);
    return signing;
  };
  return {
    access,
    signedIn,
    async ask({ method, url, headers = {}, body, signal }) {
      const signed = await signedIn();
      if (!signed.ok) return { kind: 'no-answer', message: signed.error };
      try {
        const all = new Headers(await signed.value.client.getRequestHeaders(url));
        for (const [name, value] of Object.entries(headers)) all.set(name, value);
        const answer = await fetch(url, {
          method,
          headers: all,
          signal,
          ...(body === undefined ? {} : { body }),
        });
        const text = await answer.text();
        const json = jsonOf(text);
        const date = Date.parse(answer.headers.get('date') ?? '');
        return {
          kind: 'answered',
          status: answer.status,
          body: json,
          location: answer.headers.get('location'),
          message: answer.ok ? '' : googleMessage(json, text),
          serverTime: Number.isNaN(date) ? null : date,
        };
      } catch (cause) {
        return {
          kind: 'no-answer',
          message: `${new URL(url).origin} does not answer (${spoken(cause)}); look at this machine's network, proxy and DNS`,
        };
      }
    },
    async member() {
      const signed = await signedIn();
      const email = signed.ok ? await principalOf(signed.value) : signed;
      if (!email.ok) return 'user:YOU';
      return `${email.value.endsWith('.gserviceaccount.com') ? 'serviceAccount' : 'user'}:${email.value}`;
    },
  };
}

/** A check that needs a sign-in is skipped without one: that failure is told once, where it is asked for. */
export function whenSignedIn(asker: GoogleAsker, check: SelfCheck): SelfCheck {
  return {
    ...check,
    run: async (signal) => {
      const signed = await asker.signedIn();
      return signed.ok ? check.run(signal) : [skipped(check.what, 'nobody is signed in: see credentials')];
    },
  };
}

async function signInWithToken(access: GoogleAccess): Promise<Result<SignedIn, string>> {
  const signed = await signIn(access);
  if (!signed.ok) return signed;
  const token = await haveToken(signed.value, access.credentials);
  return token.ok ? ok(signed.value) : err(token.error.message);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function googleMessage(json: unknown, text: string): string {
  const { error } = (json ?? {}) as { error?: { message?: unknown } | string };
  const message = typeof error === 'object' && typeof error.message === 'string' ? error.message : text;
  return plainText(message).replaceAll(/\s+/g, ' ').slice(0, 300).replace(/\.$/, '');
}

/** fetch hides the system's code in the cause. */
function spoken(cause: unknown): string {
  if (!(cause instanceof Error)) return 'no reason was given';
  const inner = cause.cause;
  return inner instanceof Error && 'code' in inner ? String(inner.code) : cause.message.slice(0, 120);
}
