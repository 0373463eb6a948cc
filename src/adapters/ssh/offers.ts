/** Which of our credentials are offered to one host, in which order, and what is said when none is taken. */
import type { AuthHandlerMiddleware } from 'ssh2';
import type { Credentials } from './credentials.ts';

export interface Offers {
  readonly next: AuthHandlerMiddleware;
  note(text: string): void;
  denial(label: string, what: string): string;
}

/** Offers the credentials one after the other, and remembers what came of it. */
export function createOffers(user: string, credentials: Credentials): Offers {
  const tried: string[] = [];
  const notes = [...credentials.notes];
  const rest = [...credentials.usable];
  let taken: readonly string[] | null = null;
  let partial = false;
  return {
    next(methodsLeft, partialSuccess, next) {
      taken = (methodsLeft as readonly string[] | null) ?? taken;
      partial ||= partialSuccess;
      const credential = taken !== null && !taken.includes('publickey') ? undefined : rest.shift();
      if (credential === undefined) {
        // ssh2 takes false for "no more"; its types do not say so.
        (next as unknown as (method: false) => void)(false);
        return;
      }
      tried.push(credential.label);
      next(
        credential.kind === 'key'
          ? { type: 'publickey', username: user, key: credential.key }
          : { type: 'agent', username: user, agent: credential.agent },
      );
    },
    note: (text) => notes.push(text),
    denial(label, what) {
      const parts = [
        partial
          ? `${label} took a key of user ${user} but asks for a further method`
          : `${label} denies user ${user}: ${what}`,
        `Tried: ${tried.join('; ') || 'nothing'}.`,
        ...(taken === null ? [] : [`The host takes: ${taken.join(', ')}.`]),
        ...(notes.length === 0 ? [] : [`Not used: ${notes.join('; ')}.`]),
        `Put one of these keys into ${user}'s authorized_keys there, or set ssh.user and ssh.identityFiles.`,
      ];
      return parts.join(' ').replace(/([^.]) Tried:/, '$1. Tried:');
    },
  };
}
