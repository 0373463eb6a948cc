/** The journal as objects, one an entry, each created only if its number is free. */
import type { Clock } from '../../../ports/clock.ts';
import type { JournalStore } from '../../../ports/journal.ts';
import type { Objects } from './objects.ts';

export function gcsJournal(_options: { readonly objects: Objects; readonly clock: Clock }): JournalStore {
  throw new Error('being built');
}
