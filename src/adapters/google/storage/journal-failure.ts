/** What the bucket refused, as the journal's own error, in words for the person who has to mend it. */
import type { JournalError } from '../../../ports/journal.ts';
import type { ObjectError } from './objects.ts';

/** `what` says what was being done, such as `write entry 12`. */
export function failureOf(what: string, label: string, error: ObjectError): JournalError {
  return {
    kind: 'unavailable',
    message: `journal ${label}: cannot ${what}: ${error.message}`,
    retryable: error.kind === 'unavailable' && error.retryable,
  };
}

export function corrupt(label: string, seq: number, message: string): JournalError {
  return {
    kind: 'corrupt',
    seq,
    message: `journal ${label}: entry ${seq} cannot be used: ${message}. Nothing is done on a journal that is not whole; restore its objects from a copy, or an earlier generation where the bucket keeps versions`,
  };
}
