/** Where entries are kept: append-only, create-only by number. */
import type { Entry } from '../domain/journal.ts';
import type { Result } from '../domain/result.ts';

export type JournalError =
  /** An entry with this number exists already: somebody else wrote. Read again. */
  | { readonly kind: 'conflict'; readonly seq: number }
  /** An entry is not readable, or not of a schema this program knows. */
  | { readonly kind: 'corrupt'; readonly seq: number; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string; readonly retryable: boolean };

/** The append-only record of one environment. */
export interface JournalStore {
  /** Entries with a number greater than `after`, in order. A torn last entry is left out. */
  read(after: number): Promise<Result<readonly Entry[], JournalError>>;
  /** Creates the entry if its number is free, durably. Appending the very same entry again is a success. */
  append(entry: Entry): Promise<Result<void, JournalError>>;
}
