/** Entries that wait on this machine for a journal that does not answer: an emergency is written down here first. */
import type { Actor, EntryBody } from '../domain/journal.ts';
import type { Result } from '../domain/result.ts';

export interface WaitingEntry {
  readonly actor: Actor;
  readonly reason?: string;
  readonly body: EntryBody;
}

/** One environment's. Errors are sentences. */
export interface Outbox {
  /** Durable when it resolves. */
  put(entry: WaitingEntry): Promise<Result<void, string>>;
  /**
   * What waits, oldest first. Each is taken away by `done` once the journal has it; who dies in between sends it again, and the
   * journal's fold counts it once. What cannot be read is named in `unreadable` and left alone.
   */
  waiting(): Promise<
    Result<{ readonly entries: readonly StoredEntry[]; readonly unreadable: readonly string[] }, string>
  >;
}

export interface StoredEntry {
  readonly entry: WaitingEntry;
  /** May be repeated. */
  readonly done: () => Promise<void>;
}
