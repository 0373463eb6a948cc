/**
 * One environment's journal with the state folded from it.
 *
 * L1  An entry counts only once the store has made it durable; the state never runs ahead of it.
 * L2  The chain is checked on every read: an altered, missing or unlinked entry stops everything.
 * L3  A writer whose epoch is older than one in the journal is fenced: it writes nothing more.
 * L4  On a conflict the newer entries are read first. Facts (what hosts answered) are then written behind them;
 *     anything else must be decided again.
 */
import type { Tell } from '../domain/event.ts';
import { FleetFold, type FleetRecord } from '../domain/fleet-changes.ts';
import { applyEntry, foldEntries } from '../domain/fold.ts';
import {
  type Actor,
  type Digest,
  type Entry,
  type EntryBody,
  sealEntry,
  verifyChain,
} from '../domain/journal.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { EMPTY_STATE, type EnvironmentState } from '../domain/state.ts';
import type { Clock } from '../ports/clock.ts';
import type { JournalError, JournalStore } from '../ports/journal.ts';

export type LedgerError =
  /** Somebody else wrote first; the state is up to date, decide again. */
  | { readonly kind: 'overtaken' }
  /** Another holder has the lease. */
  | { readonly kind: 'fenced'; readonly epoch: number }
  | { readonly kind: 'corrupt'; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string };

/** In words for a person; the same wherever a journal is read or written. */
export function journalTrouble(error: LedgerError | JournalError): string {
  switch (error.kind) {
    case 'overtaken':
    case 'conflict':
      return 'somebody else wrote to the journal at the same moment; run the command again';
    case 'fenced':
      return `somebody else took the lease over (epoch ${error.epoch}); nothing more was done here`;
    case 'corrupt':
    case 'unavailable':
      return error.message;
    default:
      return error satisfies never;
  }
}

export interface LedgerOptions {
  readonly environment: string;
  readonly journal: JournalStore;
  readonly clock: Clock;
  readonly digest: Digest;
  readonly actor: Actor;
  readonly tell: Tell;
}

/** How often a fact or a request is written again behind somebody else's entry. */
const MOST_CONFLICTS = 50;

/** How often an unavailable store is tried again for a fact, and how far apart, ms. */
const MOST_RETRIES = 5;
const RETRY_MS = 2_000;

interface WriteOptions {
  readonly reason?: string | undefined;
  /** Whose word it is; absent: this process's. */
  readonly by?: Actor;
  /** Somebody else has written it meanwhile. */
  readonly isThere?: (state: EnvironmentState) => boolean;
}

export class Ledger {
  readonly #options: LedgerOptions;
  #state: EnvironmentState = EMPTY_STATE;
  readonly #fleet = new FleetFold();
  #epoch: number | null = null;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  get state(): EnvironmentState {
    return this.#state;
  }

  /** What the journal knows of the fleet, as far as it has been read. */
  get fleet(): FleetRecord {
    return this.#fleet.record();
  }

  /** L3: somebody else has taken over, as far as has been read. */
  get isFenced(): boolean {
    return this.#epoch !== null && this.#state.epoch > this.#epoch;
  }

  /** Reads what is new and checks it (L2). Not to be called while an entry is being written. */
  async refresh(): Promise<Result<EnvironmentState, LedgerError>> {
    const read = await this.#options.journal.read(this.#state.head?.seq ?? 0);
    if (!read.ok) return err(ledgerError(read.error, this.#options.environment));
    const broken = verifyChain(read.value, this.#options.digest, this.#state.head);
    if (broken !== null) {
      const message = `the journal of ${this.#options.environment} is not whole: ${JSON.stringify(broken)}; nothing is done on such a record`;
      return err({ kind: 'corrupt', message });
    }
    this.#state = foldEntries(read.value, this.#state);
    for (const entry of read.value) this.#fleet.apply(entry);
    return ok(this.#state);
  }

  /** Begins to write under a lease: the first entry fences off whoever held it before. */
  async takeOver(epoch: number, from?: string): Promise<Result<void, LedgerError>> {
    this.#epoch = epoch;
    const written = await this.#write(
      { kind: 'lease-taken', epoch, ...(from === undefined ? {} : { from }) },
      'fact',
    );
    return written.ok ? ok(undefined) : written;
  }

  /** Writes what was decided on the present state; `overtaken` when that state is no longer the newest (L4). */
  decided(body: EntryBody, reason?: string): Promise<Result<Entry, LedgerError>> {
    return this.#write(body, 'decision', { reason });
  }

  /** Writes what is true whatever else has been written: answers of hosts, requests of persons. */
  fact(body: EntryBody, reason?: string): Promise<Result<Entry, LedgerError>> {
    return this.#write(body, 'fact', { reason });
  }

  /**
   * Writes what somebody else has said, `by`, and others may be handing on at this moment too: nothing where, in the newest state,
   * `isThere`.
   */
  async handOn(
    {
      body,
      reason,
      by,
    }: { readonly body: EntryBody; readonly reason?: string | undefined; readonly by: Actor },
    isThere: (state: EnvironmentState) => boolean,
  ): Promise<Result<void, LedgerError>> {
    if (isThere(this.#state)) return ok(undefined);
    const written = await this.#write(body, 'fact', { reason, by, isThere });
    return written.ok ? ok(undefined) : written;
  }

  async #write(
    body: EntryBody,
    kind: 'decision' | 'fact',
    { reason, by, isThere = () => false }: WriteOptions = {},
  ): Promise<Result<Entry, LedgerError>> {
    const { journal, clock, digest, actor } = this.#options;
    let unavailable = 0;
    for (let attempt = 0; attempt < MOST_CONFLICTS; attempt += 1) {
      if (this.isFenced) return err({ kind: 'fenced', epoch: this.#state.epoch });
      const entry = sealEntry(
        this.#state.head,
        {
          at: clock.now(),
          actor: by ?? actor,
          ...(reason === undefined ? {} : { reason }),
          ...(this.#epoch === null ? {} : { epoch: this.#epoch }),
          body,
        },
        digest,
      );
      const appended = await journal.append(entry);
      if (appended.ok) {
        this.#state = applyEntry(this.#state, entry);
        this.#fleet.apply(entry);
        this.#options.tell({ kind: 'recorded', environment: this.#options.environment, at: entry.at, entry });
        return ok(entry);
      }
      if (appended.error.kind === 'unavailable') {
        if (!appended.error.retryable || kind === 'decision' || unavailable >= MOST_RETRIES) {
          return err(ledgerError(appended.error, this.#options.environment));
        }
        unavailable += 1;
        await clock.sleep(RETRY_MS);
      } else if (appended.error.kind === 'corrupt') {
        return err(ledgerError(appended.error, this.#options.environment));
      }
      const refreshed = await this.refresh();
      if (!refreshed.ok) return refreshed;
      // Only the reply was lost: the entry is there, and is not to be written twice.
      if (this.#state.head?.hash === entry.hash || isThere(this.#state)) return ok(entry);
      if (this.isFenced) return err({ kind: 'fenced', epoch: this.#state.epoch });
      if (kind === 'decision') return err({ kind: 'overtaken' });
    }
    const message = `the journal of ${this.#options.environment} is being written to without a pause; try again`;
    return err({ kind: 'unavailable', message });
  }
}

function ledgerError(error: JournalError, environment: string): LedgerError {
  switch (error.kind) {
    case 'conflict':
      return { kind: 'overtaken' };
    case 'corrupt':
      return { kind: 'corrupt', message: `journal of ${environment}, entry ${error.seq}: ${error.message}` };
    case 'unavailable':
      return { kind: 'unavailable', message: `journal of ${environment}: ${error.message}` };
    default:
      return error satisfies never;
  }
}
